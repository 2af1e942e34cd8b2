import { NextResponse } from 'next/server'
import { visitors } from './visitors.js'

export function proxy(request) {
  return visitors.middleware(request, NextResponse.next)
}
