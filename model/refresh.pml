/*
 * The refresh protocol: tabs that share one cell and one lock, an authorization server that rotates, and a
 * network and a clock that do what they like.
 *
 * Every step below is one that the code takes between two awaits, or the one moment at which an operation of
 * the store takes effect; README.md says which. All steps of all tabs are interleaved in every order. A tab that
 * is throttled or frozen for a while is a tab whose steps are not taken while the clock's are.
 *
 * How much may go wrong in one run is bounded by the budgets; check.mjs sets them, the server, the property to
 * check, and the rule to leave out.
 */

#ifndef TABS
#define TABS 2
#endif
#ifndef EXPIRIES /* further ones: the token that a run begins with has just expired */
#define EXPIRIES 1
#endif
#ifndef LOSSES /* requests or answers that are lost, silently or with a connection that breaks */
#define LOSSES 0
#endif
#ifndef TROUBLES /* a 503: nothing was spent */
#define TROUBLES 0
#endif
#ifndef OVERRUNS /* leases that end under a tab that lives: it was frozen, or the answer is late */
#define OVERRUNS 0
#endif
#ifndef DEATHS /* tabs that are closed or crash, or are frozen for good */
#define DEATHS 0
#endif
#ifndef OPENINGS /* of dead tabs, anew */
#define OPENINGS 0
#endif
#ifndef SIGNOUTS
#define SIGNOUTS 0
#endif
#ifndef SIGNINS
#define SIGNINS 0
#endif
#ifndef LOGINS /* at a page that sets the cookie, and tells no session of it */
#define LOGINS 0
#endif
#ifndef RETRIES /* after a failure that spent nothing */
#define RETRIES 1
#endif
#define CALLS (1 + OVERRUNS + DEATHS)
#define FLIGHTS (2 * TABS)

/* A version: epoch, generation, nonce; ordered as a number. The nonce is the tab's. */
#define VERSION(epoch, generation, tab) ((epoch) * 64 + (generation) * 4 + (tab))
#define EPOCH(version) ((version) >> 6)
#define GENERATION(version) (((version) >> 2) & 15)

/* A token set is the number of its refresh token at the server; 0 is none. One grant: 1 to 7, another: 9 to 15. */
#define GRANT(token) ((token) >> 3)

/*
 * Every other tab is a session for another API of the same user: it has an access token of its own, which came with the
 * refresh token of this number, and a newer record may hold the same one.
 */
#ifdef AUDIENCES
byte accessOf[32];
#define ACCESS(i, token) accessOf[((i) & 1) * 16 + (token)]
#define SAME_ACCESS(i, a, tokensOfA, b, tokensOfB) (EPOCH(a) == EPOCH(b) && (tokensOfA) && (tokensOfB) && \
  ACCESS(i, tokensOfA) == ACCESS(i, tokensOfB))
#else
#define ACCESS(i, token) (token)
#define SAME_ACCESS(i, a, tokensOfA, b, tokensOfB) false
#endif

#ifdef L1
#define ONE_REFRESH(condition) assert(condition)
#else
#define ONE_REFRESH(condition) skip
#endif
#ifdef EXPLAINED
#define EXPLAINED_REUSE(condition) assert(condition)
#else
#define EXPLAINED_REUSE(condition) skip
#endif
#ifdef L2
#define NEVER_BACK(condition) assert(condition)
#else
#define NEVER_BACK(condition) skip
#endif
#ifdef L5
#define STAYS_OUT(condition) assert(condition)
#else
#define STAYS_OUT(condition) skip
#endif

/* ── The cell: one record in IndexedDB, changed by transactions that are atomic and in order ── */

typedef Cell {
  byte version;
  bit ended;
  unsigned tokens : 4;
  bit cooling;          /* notBefore is set; whether it has passed is chosen by whoever reads it */
  unsigned pending : 4; /* the generation that is reserved; 0: none */
  unsigned by : 4;      /* by which flight, for the clock only */
  bit alive             /* its `until` has not passed */
}
Cell cell;
byte lock; /* the Web Lock: the flight that holds it, plus 1 */

/* ── The tabs ── */

#define LIVES 0
#define DEAD 1
#define FROZEN 2 /* for good: its lock is never given back */

typedef Tab {
  unsigned state : 2;
  byte version;         /* context.record */
  bit ended;
  unsigned tokens : 4;
  unsigned reserved : 4;
  bit wants;            /* a request will be made that needs a token */
  bit waits;            /* it is made, and sits in the waiting room */
  unsigned current : 4; /* the flight that is waited for, plus 1 */
  byte replacing;       /* a sign-in or sign-out that is not saved yet */
  bit leaving;          /* it is a sign-out */
  unsigned over : 2     /* for L5: the epochs up to this one were seen to end */
}
Tab tab[TABS];

/* Where a flight stands: before the step that is called so. */
#define IDLE 0
#define ACQUIRE 1
#define LOAD 2
#define SAVE_OWN 3
#define BEGIN 4
#define SEND 5
#define ANSWER 6
#define SAVE 7
#define LOOK_AGAIN 8
#define SAVE_END 9
#define CLEAR_AND_RETRY 10
#define CLEAR_AND_LAND 11
#define LAND 12
#define BACK_OFF 13
#define WAIT 14
#define COOL_DOWN 15
#define CLEAR_AND_DOUBT 16
#define CLEAR_AND_LOOK 17

/* A tab may have two: one that is waited for, and one that a change of the record has left behind. */
typedef Flight {
  unsigned at : 5;
  byte seen;            /* the record that it started from */
  unsigned seenTokens : 4;
  byte version;         /* the record that it renews, later the one to land on */
  bit ended;
  unsigned tokens : 4;
  unsigned generation : 4;
  unsigned tries : 2;
  bit doubts;
  bit over;             /* its lease has ended */
  unsigned epoch : 2;   /* of that sign-in */
  bit anew;             /* a former page was refused: what comes of it is another sign-in */
  bit silent;           /* the answer was lost */
  unsigned shown : 4    /* the refresh token that was sent */
}
Flight flight[FLIGHTS];
#define TAB(f) ((f) / 2)

/* ── The server, and what is on the wire to it and back ── */

byte newest[2]; /* the last refresh token issued, by grant: the only unspent one */
byte spentOld[2]; /* older ones are beyond the server's grace */
bit revoked[2];
byte expired[2]; /* access tokens up to this one are refused by the API */
byte sentAs[16]; /* for L2: the place of its refresh among all that were sent */
short excused;             /* for the reuses: a bit for each token whose spending is nobody's fault */
#ifdef COOKIE
unsigned jar : 4;          /* the refresh token is an HttpOnly cookie, which all tabs share */
#endif

#define FREE 0
#define ON_ITS_WAY 1
#define ANSWERED 2
#define LOST 3

typedef Call {
  unsigned at : 2;
  unsigned flight : 4;
  byte version;    /* of the token set that it is to bring */
  unsigned shown : 4;
  unsigned answer : 4; /* 0: invalid_grant */
  unsigned sent : 4;
  bit abandoned;   /* nobody waits for the answer: the lease is over, or the tab is gone */
  bit orphan;      /* the tab is gone */
  bit overdue      /* older than any lease */
}
Call call[CALLS];

/* ── Budgets, and what is only counted ── */

unsigned expiries : 2 = EXPIRIES;
unsigned losses : 2 = LOSSES;
unsigned troubles : 2 = TROUBLES;
unsigned overruns : 2 = OVERRUNS;
unsigned deaths : 2 = DEATHS;
unsigned openings : 2 = OPENINGS;
unsigned signOuts : 2 = SIGNOUTS;
unsigned signIns : 2 = SIGNINS;
unsigned logins : 2 = LOGINS;
unsigned lastEpoch : 2 = 1;
unsigned sends : 4;
unsigned signedOut : 2; /* the epoch of the last sign-out that was saved */

/* Scratch, within one step. A breadth-first search, for the shortest counterexample, wants it in the state. */
#ifdef SHORTEST
#define scratch byte
#else
#define scratch hidden byte
#endif
scratch before, beforeTokens, k, c, other, is;

#define USABLE(i) (!tab[i].ended && ACCESS(i, tab[i].tokens) > expired[GRANT(tab[i].tokens)])
#define HOLDS(f) (lock == (f) + 1)
/* Inside `exclusive`, with the lock or robbed of it. */
#define SILENCE(f) (flight[f].at == ANSWER && flight[f].silent)
#define INSIDE(f) (flight[f].at >= LOAD && flight[f].at <= LAND)

/* What became of the refresh that spent the tokens from this one to the one before its answer is nobody's fault. */
inline excuse(first, beyond) {
  excused = excused | ((1 << (beyond)) - (1 << (first)))
}

/* The answer is lost to everybody. Before the server has rotated there is nothing to be lost. */
inline excuseCall(n) {
  if
  :: call[n].at == ANSWERED && call[n].answer -> excuse(call[n].shown, call[n].answer)
  :: else
  fi
}

/* ── The store ── */

/* `save`: the join of two records, in one transaction. */
inline save(next, nextEnded, nextTokens, nextCooling) {
  before = cell.version;
  beforeTokens = cell.tokens;
  if
#ifdef NO_FENCE
  :: true -> replaceCell(next, nextEnded, nextTokens, nextCooling); cell.pending = 0
#else
  :: EPOCH(next) > EPOCH(cell.version) ->
    replaceCell(next, nextEnded, nextTokens, nextCooling);
    cell.pending = 0
  :: EPOCH(next) == EPOCH(cell.version) && next > cell.version ->
    replaceCell(next, nextEnded, nextTokens, nextCooling);
    if
    :: cell.pending <= GENERATION(next) -> cell.pending = 0
    :: else
    fi
  :: next == cell.version ->
    cell.cooling = cell.cooling | nextCooling;
    if
    :: nextEnded -> cell.ended = 1; cell.tokens = 0
    :: else
    fi
  :: else
#endif
  fi;
  tidyCell();
  NEVER_BACK(cell.version >= before);
  /* Tokens of one sign-in: those of an earlier refresh do not replace those of a later one. */
  NEVER_BACK(EPOCH(cell.version) != EPOCH(before) || !cell.tokens || !beforeTokens ||
    sentAs[cell.tokens] >= sentAs[beforeTokens])
}

inline replaceCell(next, nextEnded, nextTokens, nextCooling) {
  cell.version = next;
  cell.ended = nextEnded;
  cell.tokens = nextTokens;
  cell.cooling = nextCooling
}

/* One state, one representation. */
inline tidyCell() {
  if
  :: !cell.pending || !cell.alive -> cell.by = 0; cell.alive = 0
  :: else
  fi
}

/* `Lease.clear`: nobody waits for this reservation any more, but its number is not given out again. */
inline clear(f) {
  if
  :: cell.pending == flight[f].generation ->
    cell.alive = 0;
#ifdef NUMBERS_AGAIN
    cell.pending = 0;
#endif
    tidyCell()
  :: else
  fi
}

/* The work inside `exclusive` has settled. Whoever was robbed has nothing to give back. */
inline release(f) {
  if
  :: HOLDS(f) -> lock = 0
  :: else
  fi;
  flight[f].over = 0;
  flight[f].silent = 0;
  flight[f].anew = 0;
  flight[f].epoch = 0;
  flight[f].generation = 0;
  flight[f].shown = 0
}

/* ── The context ── */

/* `become`: only a newer record is taken over; and whoever has seen a session end does not see it live again. */
inline become(i, next, nextEnded, nextTokens) {
  if
  :: (next > tab[i].version || (next == tab[i].version && nextEnded && !tab[i].ended)) &&
     !(tab[i].ended && EPOCH(tab[i].version) == EPOCH(next)) ->
    if
    :: EPOCH(next) != EPOCH(tab[i].version) -> tab[i].reserved = 0
    :: else
    fi;
    /* No news for those who wait for an access token, where it is the same. */
    if
    :: SAME_ACCESS(i, next, nextTokens, tab[i].version, tab[i].tokens)
    :: else -> tab[i].current = 0
    fi;
    tab[i].version = next;
    tab[i].ended = nextEnded;
    tab[i].tokens = nextTokens;
    observe(i)
  :: else
  fi
}

/* Somebody has signed in or out, and the store knows it: the refresh of a former sign-in has the turn no longer. */
inline outdate(i, epoch) {
#ifndef COOKIE
  for (other : 2 * i .. 2 * i + 1) {
    if
    :: flight[other].at == ANSWER && EPOCH(flight[other].version) < (epoch) ->
      printf("tab %d: gives up the turn of flight %d, which is of a former sign-in\n", i, other);
      for (k : 0 .. CALLS - 1) {
        if
        :: call[k].at == LOST && call[k].flight == other -> freeCall(k)
        :: call[k].at != LOST && call[k].at != FREE && call[k].flight == other -> call[k].abandoned = 1
        :: else
        fi
      };
      release(other);
      endFlight(other)
    :: else
    fi
  };
#endif
  k = 0
}

/* L5, as this tab has seen it: once a session has ended here, no token of it is used here again. */
inline observe(i) {
  if
  :: tab[i].ended ->
    if
    :: EPOCH(tab[i].version) > tab[i].over -> tab[i].over = EPOCH(tab[i].version)
    :: else
    fi
  :: else -> STAYS_OUT(EPOCH(tab[i].version) > tab[i].over)
  fi
}

/* ── Setbacks: the lock is given back, and `fly` decides ── */

inline landOn(f, nextVersion, nextEnded, nextTokens) {
  flight[f].version = nextVersion;
  flight[f].ended = nextEnded;
  flight[f].tokens = nextTokens;
  flight[f].at = LAND
}

inline forget(f) {
  flight[f].version = 0;
  flight[f].ended = 0;
  flight[f].tokens = 0
}

inline definite(f) {
  release(f);
  forget(f);
  if
#ifdef NO_RETRY_LIMIT
  :: true -> flight[f].at = BACK_OFF
#else
  :: flight[f].tries < RETRIES -> flight[f].tries++; flight[f].at = BACK_OFF
#endif
  :: else -> flight[f].at = COOL_DOWN
  fi
}

inline doubt(f) {
  release(f);
  forget(f);
  if
  :: !flight[f].doubts -> flight[f].doubts = 1; flight[f].at = ACQUIRE
  :: else -> flight[f].at = COOL_DOWN
  fi
}

inline wait(f) {
  release(f);
  forget(f);
  flight[f].at = WAIT
}

inline endFlight(f) {
  forget(f);
  flight[f].at = IDLE;
  flight[f].seen = 0;
  flight[f].seenTokens = 0;
  flight[f].tries = 0;
  flight[f].doubts = 0;
  flight[f].generation = 0;
  flight[f].over = 0;
  flight[f].silent = 0;
  flight[f].anew = 0;
  flight[f].epoch = 0;
  flight[f].shown = 0
}

inline freeCall(n) {
  call[n].at = FREE;
  call[n].flight = 0;
  call[n].version = 0;
  call[n].shown = 0;
  call[n].answer = 0;
  call[n].sent = 0;
  call[n].abandoned = 0;
  call[n].orphan = 0;
  call[n].overdue = 0
}

/* A reservation of somebody else that is still alive. */
#define YIELDS(i) (cell.pending && cell.pending != tab[i].reserved && cell.alive)

/* What its tab goes by is not what it has set out from. */
#define CHANGED(f) (tab[TAB(f)].version != flight[f].seen && \
  !SAME_ACCESS(TAB(f), tab[TAB(f)].version, tab[TAB(f)].tokens, flight[f].seen, flight[f].seenTokens))

#ifdef NO_LEASE_CHECK
#define MAY_SEND(f) true
#else
#define MAY_SEND(f) (!flight[f].over)
#endif

/* ── A flight: the refresh transaction ── */

/* A page that knows nothing finds that an earlier one was refused: there may be another cookie since. */
#define OPENS_ANEW(f) (!flight[f].seen && cell.ended && EPOCH(cell.version) > signedOut)

proctype Fly(byte f) {
  byte i = TAB(f);
end:
  do
  /* The Web Lock is granted when it is free. */
  :: d_step { tab[i].state == LIVES && flight[f].at == ACQUIRE && !lock ->
      printf("tab %d: takes the lock (flight %d)\n", i, f);
      lock = f + 1;
      flight[f].at = LOAD }
#ifndef NO_STEAL
  /* Or stolen from a holder that has outlived its lease. */
  :: d_step { tab[i].state == LIVES && flight[f].at == ACQUIRE && lock && flight[lock - 1].over ->
      printf("tab %d: steals the lock (flight %d)\n", i, f);
      lock = f + 1;
      flight[f].at = LOAD }
#endif

  :: d_step { tab[i].state == LIVES && flight[f].at == LOAD ->
      printf("tab %d: loads version %d.%d\n", i, EPOCH(cell.version), GENERATION(cell.version));
      if
#ifndef NO_RELOAD
      :: !OPENS_ANEW(f) && (cell.version > flight[f].seen || (cell.version == flight[f].seen && cell.ended)) &&
          !SAME_ACCESS(i, cell.version, cell.tokens, flight[f].seen, flight[f].seenTokens) ->
        landOn(f, cell.version, cell.ended, cell.tokens)
      :: cell.version < flight[f].seen -> flight[f].at = SAVE_OWN
      :: else ->
        flight[f].version = cell.version;
#ifdef SHOWS_SEEN
        flight[f].tokens = flight[f].seenTokens;
#else
        flight[f].tokens = cell.tokens;
#endif
        flight[f].anew = OPENS_ANEW(f);
#else
      :: true ->
        flight[f].version = flight[f].seen;
        flight[f].tokens = flight[f].seenTokens;
#endif
#if defined(COOKIE) && !defined(NO_WAIT)
        if
        :: YIELDS(i) -> wait(f)
        :: else -> flight[f].at = BEGIN
        fi
#else
        flight[f].at = BEGIN
#endif
      fi }
  /* The same, where the cooldown that others have announced is not over. */
  :: d_step { tab[i].state == LIVES && flight[f].at == LOAD && cell.cooling && !cell.ended &&
      cell.version == flight[f].seen ->
      printf("tab %d: loads a cooldown\n", i);
      definite(f) }

  /* One's own sign-in is newer than what the store holds. */
  :: d_step { tab[i].state == LIVES && flight[f].at == SAVE_OWN ->
      printf("tab %d: saves its own record first\n", i);
      save(flight[f].seen, 0, flight[f].seenTokens, 0);
      if
      :: cell.ended -> landOn(f, cell.version, 1, 0)
      :: else ->
        flight[f].version = cell.version;
        flight[f].tokens = cell.tokens;
        flight[f].at = BEGIN
      fi }

  :: d_step { tab[i].state == LIVES && flight[f].at == BEGIN ->
#if defined(NO_RESERVATION) || defined(NO_FENCE)
      flight[f].generation = GENERATION(flight[f].version) + 1;
      flight[f].at = SEND
#else
      if
      :: flight[f].over ->
        printf("tab %d: cannot reserve, the lease is over\n", i);
        definite(f)
      :: else ->
        k = (cell.pending > GENERATION(cell.version) -> cell.pending : GENERATION(cell.version)) + 1;
        printf("tab %d: reserves generation %d\n", i, k);
        assert(k < 16);
        cell.pending = k;
        cell.by = f;
        cell.alive = 1;
        flight[f].generation = k;
        flight[f].at = SEND
      fi
#endif
      }

  /* The answer of `begin` has come: the last looks, and the send, with nothing awaited between them. */
  :: d_step { tab[i].state == LIVES && flight[f].at == SEND ->
      tab[i].reserved = flight[f].generation;
      if
      :: !MAY_SEND(f) ->
        printf("tab %d: does not send, the lease is over\n", i);
        flight[f].at = CLEAR_AND_RETRY
#ifndef NO_SECOND_LOOK
      :: MAY_SEND(f) && (tab[i].ended || CHANGED(f)) ->
        printf("tab %d: does not send, the session has changed\n", i);
        flight[f].at = CLEAR_AND_LAND
      :: MAY_SEND(f) && !tab[i].ended && !CHANGED(f) ->
#else
      :: MAY_SEND(f) ->
#endif
#ifdef COOKIE
        flight[f].shown = jar;
#else
        flight[f].shown = flight[f].tokens;
#endif
        printf("tab %d: sends refresh token %d\n", i, flight[f].shown);
        if
        :: flight[f].anew ->
          assert(lastEpoch < 3);
          lastEpoch++;
          other = VERSION(lastEpoch, flight[f].generation, i)
        :: else -> other = VERSION(EPOCH(flight[f].version), flight[f].generation, i)
        fi;
        STAYS_OUT(EPOCH(other) > tab[i].over);
        c = 0;
        is = 1;
        for (k : 0 .. CALLS - 1) {
          if
          :: call[k].at == FREE -> c = k; is = 0
          :: else ->
            ONE_REFRESH(call[k].overdue || GRANT(call[k].shown) != GRANT(flight[f].shown))
          fi
        }
        assert(!is); /* there is room on the wire */
        sends++;
        call[c].at = ON_ITS_WAY;
        call[c].flight = f;
        call[c].version = other;
        flight[f].epoch = (flight[f].anew -> lastEpoch : 0);
        call[c].shown = flight[f].shown;
        call[c].sent = sends;
        flight[f].tokens = 0;
        flight[f].at = ANSWER
      fi }

  /* The timer or the signal of the lease: the answer is not waited for any longer. */
  :: d_step { tab[i].state == LIVES && flight[f].at == ANSWER && flight[f].over ->
      printf("tab %d: gives the refresh up at the end of the lease\n", i);
      for (k : 0 .. CALLS - 1) {
        if
        :: call[k].at != FREE && call[k].flight == f && !call[k].abandoned ->
          call[k].abandoned = 1
        :: else
        fi
      }
      doubt(f) }

  :: d_step { tab[i].state == LIVES && flight[f].at == SAVE ->
      printf("tab %d: saves tokens %d as generation %d\n", i, flight[f].tokens, flight[f].generation);
      if
      :: flight[f].anew -> other = VERSION(flight[f].epoch, flight[f].generation, i)
      :: else -> other = VERSION(EPOCH(flight[f].version), flight[f].generation, i)
      fi;
      save(other, 0, flight[f].tokens, 0);
      landOn(f, cell.version, cell.ended, cell.tokens) }

  /* Refused: has somebody else been faster? */
  :: d_step { tab[i].state == LIVES && flight[f].at == LOOK_AGAIN ->
      printf("tab %d: was refused, and looks again at version %d.%d\n", i, EPOCH(cell.version), GENERATION(cell.version));
      if
      :: cell.version > flight[f].version -> landOn(f, cell.version, cell.ended, cell.tokens)
      :: cell.version <= flight[f].version && YIELDS(i) -> wait(f)
      /* That nobody is signed in is found out anew by the next page. */
      :: cell.version <= flight[f].version && !YIELDS(i) && flight[f].anew -> landOn(f, flight[f].version, 1, 0)
      :: else -> flight[f].at = SAVE_END
      fi }

  :: d_step { tab[i].state == LIVES && flight[f].at == SAVE_END ->
      printf("tab %d: saves the end of the session\n", i);
      save(flight[f].version, 1, 0, 0);
#ifndef IGNORES_SAVED
      if
      :: cell.version > flight[f].version -> landOn(f, cell.version, cell.ended, cell.tokens)
      :: else -> landOn(f, flight[f].version, 1, 0)
      fi;
#else
      landOn(f, flight[f].version, 1, 0);
#endif
      /* What it goes by from now on is not older than what it was told. */
      NEVER_BACK(flight[f].version >= cell.version) }

  :: d_step { tab[i].state == LIVES && flight[f].at == CLEAR_AND_RETRY ->
      printf("tab %d: drops its reservation\n", i);
      clear(f);
      definite(f) }
  :: d_step { tab[i].state == LIVES && flight[f].at == CLEAR_AND_LAND ->
      clear(f);
      landOn(f, tab[i].version, tab[i].ended, tab[i].tokens) }
#ifdef COOKIE
  /* Whatever became of the refresh token: no cookie is to come. */
  :: d_step { tab[i].state == LIVES && flight[f].at == CLEAR_AND_DOUBT ->
      printf("tab %d: drops its reservation, in doubt\n", i);
      clear(f);
      doubt(f) }
  :: d_step { tab[i].state == LIVES && flight[f].at == CLEAR_AND_LOOK ->
      printf("tab %d: drops its reservation, refused\n", i);
      clear(f);
      flight[f].at = LOOK_AGAIN }
#endif

  /* The flight comes home. */
  :: d_step { tab[i].state == LIVES && flight[f].at == LAND ->
      printf("tab %d: lands on version %d.%d\n", i, EPOCH(flight[f].version), GENERATION(flight[f].version));
      release(f);
      if
      :: tab[i].current == f + 1 ->
        tab[i].current = 0;
        if
        :: flight[f].ended -> tab[i].waits = 0
        :: else
        fi
      :: else
      fi;
      become(i, flight[f].version, flight[f].ended, flight[f].tokens);
      outdate(i, EPOCH(flight[f].version));
      endFlight(f) }

  /* Nobody waits for it any more: it gives up its place in the queue, and tries no more. */
  :: d_step { tab[i].state == LIVES && tab[i].current != f + 1 &&
      (flight[f].at == ACQUIRE || flight[f].at == BACK_OFF || flight[f].at == WAIT || flight[f].at == COOL_DOWN) ->
      printf("tab %d: needs flight %d no more\n", i, f);
      endFlight(f) }

  :: d_step { tab[i].state == LIVES && flight[f].at == BACK_OFF ->
      flight[f].at = ACQUIRE }
  :: d_step { tab[i].state == LIVES && flight[f].at == WAIT &&
      (!YIELDS(i) || tab[i].version != flight[f].seen || tab[i].ended) ->
      flight[f].at = ACQUIRE }

  /* Given up, for now: the cooldown is shared, and whoever waits gets the error. */
  :: d_step { tab[i].state == LIVES && flight[f].at == COOL_DOWN ->
      printf("tab %d: refresh_failed\n", i);
      save(flight[f].seen, 0, flight[f].seenTokens, 1);
      if
      :: tab[i].current == f + 1 -> tab[i].current = 0; tab[i].waits = 0
      :: else
      fi;
      endFlight(f) }

  /* ── The clock, for this flight ── */

  /* The lease of a holder ends. Where the network is silent, or the tab is frozen for good, it is there for that. */
  :: d_step { INSIDE(f) && !flight[f].over && (SILENCE(f) || tab[TAB(f)].state == FROZEN || overruns) ->
      printf("clock: the lease of flight %d is over\n", f);
      if
      :: SILENCE(f) || tab[TAB(f)].state == FROZEN
      :: else -> overruns--
      fi;
      flight[f].over = 1;
      if
      :: cell.pending && cell.by == f && cell.pending == flight[f].generation -> cell.alive = 0; cell.by = 0
      :: else
      fi;
      if
      :: flight[f].at == SAVE -> excuse(flight[f].shown, flight[f].tokens)
      :: else
      fi;
#ifndef DEADLINE_IS_LEASE
      for (k : 0 .. CALLS - 1) {
        if
        :: call[k].at != FREE && call[k].flight == f && (!call[k].abandoned || call[k].orphan) ->
          if
          :: call[k].at == LOST -> freeCall(k)
          :: else ->
            call[k].overdue = 1;
            excuseCall(k)
          fi
        :: else
        fi
      };
#endif
      k = 0 }
  /* A reservation that was kept, or left behind, lapses. */
  :: d_step { cell.pending && cell.alive && cell.by == f &&
      !(INSIDE(f) && flight[f].generation == cell.pending) ->
      cell.alive = 0;
      cell.by = 0;
#ifdef COOKIE
      for (k : 0 .. CALLS - 1) {
        if
        :: call[k].at != FREE && call[k].orphan && GENERATION(call[k].version) == cell.pending ->
          call[k].overdue = 1;
          excuseCall(k)
        :: else
        fi
      };
#endif
      k = 0 }
  od
}

/* What is left of a tab that has gone: what is on the wire, and excuses for what will not come home. */
inline die(i) {
  for (k : 0 .. CALLS - 1) {
    if
    :: call[k].at != FREE && TAB(call[k].flight) == i ->
      if
      :: call[k].at == LOST -> freeCall(k)
#ifndef COOKIE
      :: call[k].at == ANSWERED -> excuseCall(k); freeCall(k)
      :: call[k].at == ON_ITS_WAY ->
        call[k].overdue = 1; /* No answer will come home. */
#else
      :: else ->
#endif
        call[k].abandoned = 1;
        call[k].orphan = 1
      fi
    :: else
    fi
  }
  for (k : 2 * i .. 2 * i + 1) {
    if
    :: flight[k].at == SAVE -> excuse(flight[k].shown, flight[k].tokens)
    :: else
    fi
  }
  tab[i].version = 0;
  tab[i].ended = 0;
  tab[i].tokens = 0;
  tab[i].reserved = 0;
  tab[i].wants = 0;
  tab[i].waits = 0;
  tab[i].current = 0;
  tab[i].replacing = 0;
  tab[i].over = 0
}

/* ── A tab: its requests, its user, its news, its end ── */

proctype Live(byte i) {
end:
  do
  /* A request, and the gate: a token that is good, a session that is over, the flight that runs, or a new one. */
  :: d_step { tab[i].state == LIVES && (tab[i].wants || tab[i].waits) && !tab[i].ended && !USABLE(i) &&
      (!tab[i].waits || !tab[i].current) &&
      (tab[i].current || flight[2 * i].at == IDLE || flight[2 * i + 1].at == IDLE) ->
      printf("tab %d: a request needs a token\n", i);
      tab[i].wants = 0;
      tab[i].waits = 1;
      if
      :: !tab[i].current ->
        k = (flight[2 * i].at == IDLE -> 2 * i : 2 * i + 1);
        printf("tab %d: starts flight %d\n", i, k);
        flight[k].at = ACQUIRE;
        flight[k].seen = tab[i].version;
        flight[k].seenTokens = tab[i].tokens;
        tab[i].current = k + 1
      :: else
      fi }
  :: d_step { tab[i].state == LIVES && tab[i].waits && (tab[i].ended || USABLE(i)) ->
      tab[i].waits = 0 }

  /* The watch: a hint has led to a read of the cell. */
  :: d_step { tab[i].state == LIVES &&
      (cell.version > tab[i].version || (cell.version == tab[i].version && cell.ended && !tab[i].ended)) &&
      !(tab[i].ended && EPOCH(tab[i].version) == EPOCH(cell.version)) ->
      printf("tab %d: hears of version %d.%d\n", i, EPOCH(cell.version), GENERATION(cell.version));
      become(i, cell.version, cell.ended, cell.tokens);
      outdate(i, EPOCH(cell.version)) }

#if SIGNOUTS || SIGNINS
  :: d_step { tab[i].state == LIVES && signOuts && !tab[i].replacing && !tab[i].ended ->
      signOuts--;
      lastEpoch++;
      printf("tab %d: signs out\n", i);
      tab[i].replacing = VERSION(lastEpoch, 1, i);
      tab[i].leaving = 1;
      become(i, tab[i].replacing, 1, 0);
#ifdef OUTDATES_EARLY
      outdate(i, EPOCH(tab[i].version))
#endif
      }
  :: d_step { tab[i].state == LIVES && signIns && !tab[i].replacing ->
      signIns--;
      lastEpoch++;
      printf("tab %d: signs in as somebody else\n", i);
      newest[1] = 9;
#ifdef AUDIENCES
      ACCESS(i, 9) = 9;
#endif
      tab[i].replacing = VERSION(lastEpoch, 1, i);
      become(i, tab[i].replacing, 0, 9) }
  :: d_step { tab[i].state == LIVES && tab[i].replacing ->
      printf("tab %d: saves its epoch %d\n", i, EPOCH(tab[i].replacing));
      save(tab[i].replacing, tab[i].leaving, (tab[i].leaving -> 0 : 9), 0);
      if
      :: tab[i].leaving && cell.version == tab[i].replacing -> signedOut = EPOCH(cell.version)
      :: else
      fi;
      tab[i].replacing = 0;
      tab[i].leaving = 0;
      become(i, cell.version, cell.ended, cell.tokens);
      outdate(i, EPOCH(cell.version)) }
#endif

  /* Closed or crashed: the lock is free, its requests may still arrive. */
#if DEATHS
  :: d_step { tab[i].state == LIVES && deaths ->
      printf("tab %d: crashes\n", i);
      deaths--;
      die(i);
      if
      :: lock && TAB(lock - 1) == i -> lock = 0
      :: else
      fi;
      endFlight(2 * i);
      endFlight(2 * i + 1);
      tab[i].state = DEAD }
  /* Frozen for good: the lock stays taken. */
  :: d_step { tab[i].state == LIVES && deaths ->
      printf("tab %d: freezes for good\n", i);
      deaths--;
      die(i);
      k = (lock && TAB(lock - 1) == i -> lock - 1 : FLIGHTS);
      if
      :: 2 * i != k -> endFlight(2 * i)
      :: else
      fi;
      if
      :: 2 * i + 1 != k -> endFlight(2 * i + 1)
      :: else
      fi;
      if
      :: k < FLIGHTS ->
        forget(k);
        flight[k].seen = 0;
        flight[k].seenTokens = 0;
        flight[k].tries = 0;
        flight[k].doubts = 0;
        flight[k].shown = 0;
        flight[k].at = LAND
      :: else
      fi;
      tab[i].state = FROZEN }
#endif
#if OPENINGS
  :: d_step { tab[i].state == DEAD && openings ->
      printf("tab %d: opens anew, with version %d.%d\n", i, EPOCH(cell.version), GENERATION(cell.version));
      openings--;
      tab[i].state = LIVES;
      if
#ifdef COOKIE
      /* A refusal of an earlier page is not believed: there may be another cookie. */
      :: cell.ended && EPOCH(cell.version) > signedOut
#endif
      :: else ->
        tab[i].version = cell.version;
        tab[i].ended = cell.ended;
        tab[i].tokens = cell.tokens
      fi;
      tab[i].over = signedOut;
      tab[i].wants = 1;
      if
      :: tab[i].version -> observe(i)
      :: else
      fi }
#endif
  od
}

/* ── The network and the server ── */

inline issue(n, grant) {
  newest[grant]++;
  assert(newest[grant] != 8 && newest[grant] != 16);
  call[n].answer = newest[grant];
  sentAs[newest[grant]] = call[n].sent;
#ifdef AUDIENCES
  ACCESS(TAB(call[n].flight), call[n].answer) = call[n].answer;
  ACCESS(TAB(call[n].flight) + 1, call[n].answer) = ACCESS(TAB(call[n].flight) + 1, call[n].shown);
#endif
  /* Whoever holds one in between, got within the grace, holds a spent one from now on. */
  excused = excused & ~((1 << call[n].answer) - (1 << call[n].shown));
  if
  :: call[n].overdue || call[n].orphan -> excuse(call[n].shown, call[n].answer)
  :: else
  fi
}

proctype Travel(byte n) {
end:
  do
  /* The server reads the refresh token. */
  :: d_step { call[n].at == ON_ITS_WAY ->
      call[n].at = ANSWERED;
      k = GRANT(call[n].shown);
      if
      :: !call[n].shown || revoked[k] -> call[n].answer = 0
      :: call[n].shown && !revoked[k] && call[n].shown == newest[k] -> issue(n, k)
#ifdef GRACE
      :: call[n].shown && !revoked[k] && call[n].shown < newest[k] && call[n].shown >= spentOld[k] -> issue(n, k)
#endif
      :: else ->
        printf("server: refresh token %d is shown again\n", call[n].shown);
        EXPLAINED_REUSE(((excused >> call[n].shown) & 1) || call[n].overdue || call[n].orphan);
#ifdef REVOKES
        revoked[k] = 1;
#endif
        call[n].answer = 0
      fi;
      printf("server: answers refresh token %d with %d\n", call[n].shown, call[n].answer);
#ifndef COOKIE
      /* Nobody is there to read it. */
      if
      :: call[n].orphan -> freeCall(n)
      :: else
      fi
#endif
      }

  /* The answer arrives. */
  :: d_step { call[n].at == ANSWERED && !call[n].orphan && tab[TAB(call[n].flight)].state == LIVES ->
#ifdef COOKIE
      if
      :: call[n].answer -> jar = call[n].answer
      :: else
      fi;
#endif
      other = call[n].flight;
      if
      :: !call[n].abandoned && call[n].answer -> flight[other].tokens = call[n].answer; flight[other].at = SAVE
#ifdef COOKIE
      :: !call[n].abandoned && !call[n].answer -> flight[other].at = CLEAR_AND_LOOK
#else
      :: !call[n].abandoned && !call[n].answer -> flight[other].at = LOOK_AGAIN
#endif
      /* Late, but it may hold the only valid refresh token. */
      :: call[n].abandoned && call[n].answer && !tab[TAB(other)].ended ->
        printf("tab %d: saves late tokens %d as generation %d\n", TAB(other), call[n].answer, GENERATION(call[n].version));
        save(call[n].version, 0, call[n].answer, 0);
        become(TAB(other), cell.version, cell.ended, cell.tokens)
      :: else
      fi;
      freeCall(n) }
#ifdef COOKIE
  /* The browser keeps the cookie of a keepalive request, also where its tab is gone. */
  :: d_step { call[n].at == ANSWERED && call[n].orphan ->
      if
      :: call[n].answer -> jar = call[n].answer
      :: else
      fi;
      freeCall(n) }
#endif
#if DEATHS
  /* A request whose tab is gone may end with it. */
  :: d_step { call[n].at == ON_ITS_WAY && call[n].orphan -> freeCall(n) }
#endif

#if LOSSES
  /* Silence, on the way there or back. */
  :: d_step { (call[n].at == ON_ITS_WAY || call[n].at == ANSWERED) && !call[n].abandoned && losses ->
      printf("network: loses refresh token %d or its answer\n", call[n].shown);
      losses--;
      excuseCall(n);
      call[n].answer = 0;
      flight[call[n].flight].silent = 1;
      call[n].at = LOST }
  /* The connection breaks, before or after the server has read it. */
  :: d_step { (call[n].at == ON_ITS_WAY || call[n].at == ANSWERED) && !call[n].abandoned && losses ->
      printf("network: breaks the connection of refresh token %d\n", call[n].shown);
      losses--;
      excuseCall(n);
      other = call[n].flight;
#ifdef COOKIE
      flight[other].at = CLEAR_AND_DOUBT;
#else
      doubt(other);
#endif
      freeCall(n) }
#endif
#if TROUBLES
  :: d_step { call[n].at == ON_ITS_WAY && !call[n].abandoned && troubles ->
      printf("server: 503\n");
      troubles--;
      flight[call[n].flight].at = CLEAR_AND_RETRY;
      freeCall(n) }
#endif
  od
}

#if LOGINS
proctype LogIn() {
end:
  do
  :: d_step { logins ->
      printf("server: a login page sets another cookie\n");
      logins--;
      newest[1]++;
      if
      :: newest[1] == 1 -> newest[1] = 9
      :: else
      fi;
      jar = newest[1] }
  od
}
#endif

/* ── The clock ── */

#if EXPIRIES
proctype Expire() {
end:
  do
  :: d_step { expiries && (newest[0] > expired[0] || newest[1] > expired[1]) ->
      printf("clock: the access tokens expire\n");
      expiries--;
      for (k : 0 .. 1) {
        expired[k] = newest[k];
        spentOld[k] = newest[k]
      }
      for (k : 0 .. TABS - 1) {
        if
        :: tab[k].state == LIVES -> tab[k].wants = 1
        :: else
        fi
      };
      k = 0 }
  od
}
#endif

#ifdef RELEASED
/* When nothing can happen any more, nobody waits. */
proctype Rest() {
end:
  timeout ->
  d_step {
    for (k : 0 .. TABS - 1) {
      assert(tab[k].state != LIVES || (!tab[k].waits && flight[2 * k].at == IDLE && flight[2 * k + 1].at == IDLE))
    };
    k = 0 }
}
#endif

init {
  atomic {
    cell.version = VERSION(1, 1, 0);
    cell.tokens = 1;
    newest[0] = 1;
    spentOld[0] = 1;
    expired[0] = 1;
#ifdef AUDIENCES
    accessOf[1] = 1;
    accessOf[17] = 1;
#endif
#ifdef COOKIE
    jar = 1;
#endif
    for (k : 0 .. TABS - 1) {
      tab[k].version = cell.version;
      tab[k].tokens = 1;
      tab[k].wants = 1;
      run Live(k)
    }
    for (k : 0 .. FLIGHTS - 1) { run Fly(k) }
    for (k : 0 .. CALLS - 1) { run Travel(k) }
#if EXPIRIES
    run Expire();
#endif
#if LOGINS
    run LogIn();
#endif
#ifdef RELEASED
    run Rest();
#endif
    k = 0
  }
}
