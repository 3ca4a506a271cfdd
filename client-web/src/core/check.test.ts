import { expect, test } from "vitest";
import { adviceOf, offered, type Outcome, type Outcomes, trials } from "./check";

const outcomes = (udp: Outcome, tcp: Outcome, tls: Outcome): Outcomes => ({ udp, tcp, tls });
const server = (...urls: string[]) => ({ urls, username: "u", credential: "c", ttl_s: 60 });

test("each way is tried where the server offers it", () => {
  expect(trials(server("turns:h:443?transport=tcp", "turn:h:443?transport=udp"))).toEqual({
    udp: "turn:h:443?transport=udp",
    tcp: null,
    tls: "turns:h:443?transport=tcp",
  });
  expect(offered(server("turn:h"))).toBe(true);
  expect(offered(server())).toBe(false);
  expect(offered(null)).toBe(false);
});

test("what is advised follows from the best way that works", () => {
  expect(adviceOf(outcomes("works", "trying", "blocked"))).toBe("good");
  expect(adviceOf(outcomes("trying", "works", "works"))).toBeNull();
  expect(adviceOf(outcomes("blocked", "works", "trying"))).toBeNull();
  expect(adviceOf(outcomes("blocked", "blocked", "works"))).toBe("fallback");
  expect(adviceOf(outcomes("none", "works", "none"))).toBe("fallback");
  expect(adviceOf(outcomes("blocked", "none", "blocked"))).toBe("blocked");
  expect(adviceOf(outcomes("none", "none", "none"))).toBeNull();
});
