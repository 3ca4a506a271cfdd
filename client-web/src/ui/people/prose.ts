/** Returns what was typed, or null when it says nothing. */
export const prose = (typed: string): string | null => (typed.trim() === "" ? null : typed.trim());

/** How long a right or a ban may last, in seconds; the server's own limits are wider. */
export const RIGHT_TTLS_S = [300, 900, 3_600] as const;
export const BAN_TTLS_S = [3_600, 86_400, 604_800, 2_592_000] as const;
