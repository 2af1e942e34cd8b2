/** Whether a path is the one that is meant, or below it where the pattern ends with `/*`. */
export function matches(pattern: string, path: string): boolean {
  return pattern.endsWith('/*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern
}
