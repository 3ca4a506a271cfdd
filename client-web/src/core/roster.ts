/** The people of a meeting in groups, and among them those who are looked for. */
import type { LobbyEntry, Participant, Role } from "../wire/messages";

export type GroupName = "hosts" | "presenters" | "attendees" | "viewers";

export interface Group {
  name: GroupName;
  people: readonly Participant[];
}

const GROUP: Readonly<Record<Role, GroupName>> = {
  host: "hosts",
  co_host: "hosts",
  presenter: "presenters",
  attendee: "attendees",
  viewer: "viewers",
};
const ORDER: readonly GroupName[] = ["hosts", "presenters", "attendees", "viewers"];

/** Makes a text comparable: without case and without marks on letters. */
const plain = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase();

const fits = (name: string, looked: string): boolean => plain(name).includes(plain(looked.trim()));

/** Returns the groups that have somebody whose name contains `looked`, in the order of rank. */
export function groupsOf(people: readonly Participant[], looked: string): Group[] {
  const found = people.filter((one) => fits(one.name, looked));
  return ORDER.map((name) => ({ name, people: found.filter((one) => GROUP[one.role] === name) })).filter(
    (group) => group.people.length > 0,
  );
}

/** Returns those who wait and whose names contain `looked`. */
export const waitingOf = (entries: readonly LobbyEntry[], looked: string): readonly LobbyEntry[] =>
  entries.filter((one) => fits(one.name, looked));
