/**
 * Returns whether RTP timestamp `a` is at or after `b`, both modulo 2^32, assuming that they are less than 2^31 ticks
 * apart (serial arithmetic, RFC 1982, section 3.2).
 */
export function isAtOrAfter(a: number, b: number): boolean {
  return (a - b) >>> 0 < 0x8000_0000;
}
