/** The meeting as the components see it: one reactive state, and the few things a user can do. */
import { flushSync } from "svelte";
import type { DuplicateChoice, RequestAnswer, RoomSummary } from "../wire/messages";
import type { RoomChange } from "../core/desk";
import { credentialOf } from "../core/entering";
import type { Act, Announcement, Entry, MeetingState } from "../core/state";
import { initialState } from "../core/state";
import type { ShownTile } from "../core/wish";
import type { Device } from "../media/devices";
import { listDevices, watchDevices } from "../media/devices";
import { errand } from "../media/errand";
import { Meeting, savedMeeting } from "../media/meeting";
import { deviceKey, read, write } from "../media/storage";
import { dropInvite, takeInvite } from "./invite";
import { announcementText } from "./texts";

export type DeviceRole = "microphone" | "camera" | "speaker";

/** Screen readers have taken a live region's text by then. */
const SPOKEN_MS = 3_000;

export class Client {
  state = $state.raw<MeetingState>(initialState({ microphone: true, camera: true }));
  devices = $state.raw<readonly Device[]>([]);
  chosen = $state.raw<Readonly<Record<DeviceRole, string | null>>>({
    microphone: read("local", "device.microphone"),
    camera: read("local", "device.camera"),
    speaker: read("local", "device.speaker"),
  });
  /** Whether the browser refuses to play sound without a gesture. */
  audioBlocked = $state(false);
  /** Counts gestures that may unblock sound; the audio elements watch it. */
  unblocks = $state(0);
  /** The newest texts for the two live regions. */
  polite = $state("");
  assertive = $state("");
  /** What the server says about the room before anybody joins; null until it answers. */
  summary = $state.raw<RoomSummary | null>(null);
  /** The secret of the invite link that opened the page. */
  secret = $state<string | null>(null);
  /** The password as it was typed; in memory, and with the tab while one waits by it. */
  password = $state("");
  /** Whether the last way in led to the lobby. */
  waited = $state(false);
  /** Whether the link may open the settings, as far as is known. */
  manages = $state(true);
  /** Whose menu is open, and the button that opened it. */
  menu = $state.raw<{ participant: string; anchor: HTMLElement } | null>(null);
  readonly room: string;
  readonly #meeting: Meeting;
  readonly #closing = new AbortController();
  #spoken: ReturnType<typeof setTimeout> | undefined;

  constructor(room: string) {
    this.room = room;
    const wants = {
      microphone: read("local", "join.microphone") !== "off",
      camera: read("local", "join.camera") !== "off",
    };
    const saved = savedMeeting(room);
    this.#meeting = new Meeting(
      { changed: (state) => this.#changed(state), announce: (one) => this.#announce(one) },
      saved ?? wants,
      { microphone: this.chosen.microphone, camera: this.chosen.camera },
    );
    this.state = this.#meeting.state;
    watchDevices(() => void this.#list(), this.#closing.signal);
    void this.#list();
    this.secret = takeInvite();
    addEventListener("hashchange", () => this.#invited(takeInvite()), { signal: this.#closing.signal });
    if (saved === null || "waiting" in saved) void this.#look();
    if (saved === null) return;
    if ("waiting" in saved) this.password = saved.password ?? "";
    if ("waiting" in saved) this.#meeting.tell({ kind: "join", entry: this.#entry(saved.name) });
    else this.#meeting.tell({ kind: "reload", entry: this.#entry(saved.name), saved });
  }

  /** Goes on without an invite that is not valid. */
  forgetInvite = (): void => {
    this.forgetCredentials();
    this.dismissNotice();
    void this.#look();
  };

  /** Forgets what opened this meeting: the secret of the link and the password. */
  forgetCredentials = (): void => {
    dropInvite();
    this.secret = null;
    this.password = "";
  };

  /** Takes another link to the same room into the open page: what went wrong without it is over. */
  #invited(secret: string | null): void {
    if (secret === this.secret) return;
    this.secret = secret;
    this.manages = true;
    this.password = "";
    this.dismissNotice();
    void this.#look();
  }

  /** Asks the server what a join needs. Without an answer the page offers the usual. */
  async #look(): Promise<void> {
    const asked = await errand({ type: "room.info", data: { room: this.room } }, this.#closing.signal);
    if (asked.kind !== "ok") return;
    this.summary = asked.ok;
    if (asked.ok.needs === "password") this.#meeting.tell({ kind: "needs", password: true });
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#spoken);
    this.#meeting.close();
  }

  // What the user does.

  join(name: string): void {
    write("local", "name", name);
    this.#meeting.tell({ kind: "join", entry: this.#entry(name) });
  }
  leave = (): void => this.#meeting.tell({ kind: "leave" });
  retryNow = (): void => this.#meeting.tell({ kind: "retryNow" });
  chooseDuplicate = (choice: DuplicateChoice | "cancel"): void =>
    this.#meeting.tell({ kind: "duplicateChoice", choice });
  agree = (agreed: boolean): void => this.#meeting.tell({ kind: "consent", agreed });
  /** Asks for something; returns whether there is a link to ask on. */
  act = (request: Act): boolean => {
    const { connected } = this;
    this.#meeting.tell({ kind: "act", request });
    return connected;
  };
  /** Says that the sheet of settings was taken away. */
  deskClosed = (): void => this.#meeting.tell({ kind: "say", text: { kind: "deskClosed" } });
  /** Says that a part of the page did not load. */
  partMissing = (): void => this.#meeting.tell({ kind: "say", text: { kind: "partMissing" } });
  updateRoom = (change: RoomChange): void => this.#meeting.tell({ kind: "updateRoom", change });
  answer = (request: string, answer: RequestAnswer): void =>
    this.#meeting.tell({ kind: "answerPrompt", request, answer });
  dismissAlert = (): void => this.#meeting.tell({ kind: "dismissAlert" });
  dismissMade = (): void => this.#meeting.tell({ kind: "dismissMade" });
  dismissToast = (id: number): void => this.#meeting.tell({ kind: "dismissToast", id });
  dismissNotice = (): void => this.#meeting.tell({ kind: "dismissNotice" });
  preview = (on: boolean): void => this.#meeting.tell({ kind: "preview", on });
  shareScreen = (audio: boolean): void => this.#meeting.tell({ kind: "shareScreen", audio });
  stopScreen = (): void => this.#meeting.tell({ kind: "stopScreen" });

  want(source: "microphone" | "camera", on: boolean): void {
    write("local", `join.${source}`, on ? "on" : "off");
    this.#meeting.tell({ kind: "want", source, on });
  }

  /** Says why something cannot be switched on. */
  explain = (source: "microphone" | "camera" | "screen"): void => this.#meeting.tell({ kind: "explain", source });

  choose(role: DeviceRole, id: string | null): void {
    write("local", `device.${role}`, id);
    this.chosen = { ...this.chosen, [role]: id };
    this.#meeting.choice = { microphone: this.chosen.microphone, camera: this.chosen.camera };
    if (role !== "speaker") this.#meeting.tell({ kind: "recapture", source: role });
  }

  unblockAudio = (): void => {
    this.audioBlocked = false;
    this.unblocks += 1;
  };

  openMenu(participant: string, anchor: HTMLElement): void {
    this.menu = this.menu?.participant === participant ? null : { participant, anchor };
  }
  closeMenu = (): void => {
    this.menu = null;
  };

  // What the components report.

  shown = (tiles: readonly ShownTile[]): void => this.#meeting.tell({ kind: "shown", tiles });
  frame = (mid: string, rev: number, rtp: number | null): void => this.#meeting.tell({ kind: "frame", mid, rev, rtp });

  // What the components show; tracks change with the state, so reading them here subscribes to it.

  track(source: "microphone" | "camera" | "screen"): MediaStreamTrack | null {
    return this.state.publishing.sources[source].capture === "running" ? this.#meeting.track(source) : null;
  }
  stream(mid: string): MediaStream | null {
    return this.state.generation > 0 ? this.#meeting.stream(mid) : null;
  }

  /** Has `text` read out; it is taken away again, so that the same text can be read twice. */
  say(text: string, urgent = false): void {
    this.polite = urgent ? "" : text;
    this.assertive = urgent ? text : "";
    clearTimeout(this.#spoken);
    this.#spoken = setTimeout(() => {
      this.polite = "";
      this.assertive = "";
    }, SPOKEN_MS);
  }

  /** Whether the server can be asked for anything at present. */
  get connected(): boolean {
    return this.state.link.kind === "up";
  }

  #entry(name: string): Entry {
    return {
      room: this.room,
      name,
      credential: credentialOf(this.secret, this.password),
      deviceKey: deviceKey(),
      consentHash: null,
    };
  }

  #changed(state: MeetingState): void {
    const slots = state.slots !== this.state.slots;
    const captures = state.publishing !== this.state.publishing;
    if (state.phase.kind === "waiting") this.waited = true;
    else if (state.phase.kind === "inside" && this.state.phase.kind === "entering") this.waited = false;
    this.state = state;
    // Elements of changed slots are off the screen before the core's acknowledgement goes out.
    if (slots) flushSync();
    if (captures) void this.#list();
  }

  #announce(one: Announcement): void {
    const urgent = (one.kind === "link" && one.state === "lost") || (one.kind === "lobby" && one.state !== "waiting");
    this.say(announcementText(one), urgent);
  }

  async #list(): Promise<void> {
    const devices = await listDevices();
    const same =
      devices.length === this.devices.length &&
      devices.every((one, i) => one.label === this.devices[i]?.label && one.id === this.devices[i].id);
    if (!same) this.devices = devices;
  }
}
