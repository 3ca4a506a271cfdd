import { expect, test } from "vitest";
import type { Attendance } from "../wire/messages";
import { asJson, clock, fileName } from "./attendance";
import { inside, ok, refusal, requestsOf } from "./script";

const attendance: Attendance = { since: "2026-11-22T10:00:00Z", people: [], more: 0, csv: "name\r\n" };
const open = { kind: "life", deed: { kind: "attendance", open: true } } as const;
const get = { type: "attendance.get", data: { csv: true } } as const;

test("the table is asked for, shown, and forgotten", () => {
  const client = inside();
  expect(requestsOf(client.tell(open))).toEqual([get]);
  client.tell(ok("attendance.get", attendance, get));
  expect(client.state.life.attending).toEqual({ kind: "open", attendance });
  client.tell({ kind: "life", deed: { kind: "attendance", open: false } });
  expect(client.state.life.attending).toEqual({ kind: "closed" });
  client.tell(ok("attendance.get", attendance, get));
  expect(client.state.life.attending).toEqual({ kind: "closed" });
});

test("a refusal and a broken link are said", () => {
  const client = inside();
  client.tell(open);
  client.tell(refusal(get, { code: "forbidden", message: "" }));
  expect(client.state.life.attending).toEqual({ kind: "failed", code: "forbidden" });
  client.tell(open);
  client.tell({ kind: "linkClosed", code: 1006, random: 0 });
  expect(client.state.life.attending).toEqual({ kind: "failed", code: "offline" });
});

test("files have names and shapes of their own", () => {
  expect(fileName("team", attendance.since)).toBe("attendance-team-2026-11-22");
  expect(JSON.parse(asJson(attendance))).toEqual({ since: attendance.since, people: [], more: 0 });
});

test.each([
  [0, "0:00"],
  [65, "1:05"],
  [3_723.9, "1:02:03"],
  [-4, "0:00"],
])("%s s is %s", (seconds, words) => expect(clock(seconds)).toBe(words));
