/** The meeting as the components see it: one reactive state, and the few things a user can do. */
import { flushSync } from "svelte";
import { type Device, type DeviceRole, plugged } from "../core/plug";
import type { DuplicateChoice, RequestAnswer, RoomSummary, Timestamp } from "../wire/messages";
import type { Why } from "../core/controls";
import type { ChatDeed } from "../core/chatting";
import type { RoomChange } from "../core/desk";
import { credentialOf } from "../core/entering";
import type { Ticket } from "../core/text";
import { handControl, handOf } from "../core/hands";
import type { Deed } from "../core/life";
import type { Choice } from "../core/screens";
import type { Act, Announcement, Entry, MeetingState } from "../core/state";
import { initialState } from "../core/state";
import type { ShownTile } from "../core/wish";
import { cameraHeight } from "../core/comfort";
import type { DeviceChoice } from "../media/devices";
import { listDevices, watchDevices } from "../media/devices";
import { savedChat } from "../media/chat-keeper";
import { errand } from "../media/errand";
import { Meeting, savedMeeting } from "../media/meeting";
import { deviceKey, read, write } from "../media/storage";
import { comfort, play } from "./comfort/comfort.svelte";
import { dropTicket, takeTicket } from "./invite";
import { saveFile } from "./download";
import { announcementText } from "./texts";

export type { DeviceRole } from "../core/plug";

/** Screen readers have taken a live region's text by then. */
const SPOKEN_MS = 3_000;
/** From so many others on, nobody is told by a sound that somebody came. */
const QUIET_FROM = 12;

export class Client {
  state = $state.raw<MeetingState>(initialState({ microphone: true, camera: true }));
  devices = $state.raw<readonly Device[]>([]);
  /** Devices that came while the page was open, for the user to take or leave. */
  offers = $state.raw<readonly { role: DeviceRole; device: Device }[]>([]);
  /** What happened to a device by itself, until it is dismissed. */
  deviceNews = $state.raw<{ kind: "fellBack"; role: DeviceRole } | { kind: "denoise"; why: "failed" | "slow" } | null>(
    null,
  );
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
  /** What the link that opened the page entitles to. */
  ticket = $state.raw<Ticket | null>(null);
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
      {
        changed: (state) => this.#changed(state),
        announce: (one) => this.#announce(one),
        download: saveFile,
        sound: play,
        fellBack: (role) => this.#fellBack(role),
        denoiseTrouble: (why) => this.#denoiseTrouble(why),
      },
      saved ?? wants,
      this.#choice(),
    );
    this.state = this.#meeting.state;
    this.followRelayOnly();
    watchDevices(() => void this.#list(), this.#closing.signal);
    void this.#list();
    this.ticket = takeTicket();
    addEventListener("hashchange", () => this.#invited(takeTicket()), { signal: this.#closing.signal });
    if (saved === null || "waiting" in saved) void this.#look();
    if (saved === null) return;
    if ("waiting" in saved) this.password = saved.password ?? "";
    if ("waiting" in saved) this.#meeting.tell({ kind: "join", entry: this.#entry(saved.name) });
    else this.#meeting.tell({ kind: "reload", entry: this.#entry(saved.name), saved, chat: savedChat(room) });
  }

  /** Goes on without an invite that is not valid. */
  forgetInvite = (): void => {
    this.forgetCredentials();
    this.dismissNotice();
    void this.#look();
  };

  /** Forgets what opened this meeting: what came with the link, and the password. */
  forgetCredentials = (): void => {
    dropTicket();
    this.ticket = null;
    this.password = "";
  };

  /** Takes another link to the same room into the open page: what went wrong without it is over. */
  #invited(ticket: Ticket | null): void {
    if (JSON.stringify(ticket) === JSON.stringify(this.ticket)) return;
    this.ticket = ticket;
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
  chat = (deed: ChatDeed): void => this.#meeting.tell({ kind: "chat", deed });
  updateRoom = (change: RoomChange): void => this.#meeting.tell({ kind: "updateRoom", change });
  /** Raises the own hand or takes it down, as the button says; where it may not be raised it says why. */
  toggleHand = (): void => {
    const { life, self } = this.state;
    const control = handControl(this.state, life.hands);
    if (control.kind === "greyed") this.sayWhy(control.why);
    if (control.kind !== "usable") return;
    const up = handOf(life.hands, self?.id ?? null) !== null;
    this.act(up ? { type: "hand.lower", data: {} } : { type: "hand.raise", data: {} });
  };
  sayWhy = (why: Why): void => this.#meeting.tell({ kind: "say", text: { kind: "why", why } });
  answer = (request: string, answer: RequestAnswer): void =>
    this.#meeting.tell({ kind: "answerPrompt", request, answer });
  dismissAlert = (): void => this.#meeting.tell({ kind: "dismissAlert" });
  dismissMade = (): void => this.#meeting.tell({ kind: "dismissMade" });
  dismissToast = (id: number): void => this.#meeting.tell({ kind: "dismissToast", id });
  dismissNotice = (): void => this.#meeting.tell({ kind: "dismissNotice" });
  preview = (on: boolean): void => this.#meeting.tell({ kind: "preview", on });
  shareScreen = (choice: Choice, takeOver: boolean): void =>
    this.#meeting.tell({ kind: "shareScreen", ...choice, takeOver });
  /** Does something about hands, shares, the lead or the end of the meeting. */
  do = (deed: Deed): void => this.#meeting.tell({ kind: "life", deed });
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
    this.offers = this.offers.filter((one) => one.role !== role);
    this.reopen(role);
  }

  /** Opens a device anew, as the settings are. */
  reopen(role: DeviceRole): void {
    this.#meeting.choice = this.#choice();
    if (role !== "speaker") this.#meeting.tell({ kind: "recapture", source: role });
  }
  /** Lets sound and pictures go only through the relay, or directly too; a running connection is replaced at once. */
  relayOnly = (on: boolean): void => {
    comfort.set({ relayOnly: on });
    this.followRelayOnly();
  };
  /** Does as the settings say about the relay. */
  followRelayOnly(): void {
    this.#meeting.tell({ kind: "relayOnly", on: comfort.value.relayOnly });
  }
  refuseOffer = (role: DeviceRole): void => {
    this.offers = this.offers.filter((one) => one.role !== role);
  };

  /** Switches the microphone for as long as a key is held: nothing to be remembered. */
  talk = (on: boolean): void => this.#meeting.tell({ kind: "want", source: "microphone", on });

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
  /** The microphone as it is heard here, muted or not. */
  heard(): MediaStreamTrack | null {
    return this.state.publishing.sources.microphone.capture === "running" ? this.#meeting.heard : null;
  }
  stats = (): Promise<Record<string, unknown>[]> => this.#meeting.stats();
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

  /** A time of the server on the clock of this page. */
  localMs(at: Timestamp | null): number | null {
    if (at === null) return null;
    const { unixMs, atMs } = this.state.clock ?? { unixMs: Date.now(), atMs: performance.now() };
    return Date.parse(at) - unixMs + atMs;
  }

  /** Whether the server can be asked for anything at present. */
  get connected(): boolean {
    return this.state.link.kind === "up";
  }

  #choice(): DeviceChoice {
    const { microphone, camera } = this.chosen;
    return { microphone, camera, heightPx: cameraHeight(comfort.value), denoise: comfort.value.denoise };
  }

  #fellBack(role: DeviceRole): void {
    // In this page only: when the device is there again the next time, it is taken again.
    this.chosen = { ...this.chosen, [role]: null };
    this.#meeting.choice = this.#choice();
    this.deviceNews = { kind: "fellBack", role };
  }

  #denoiseTrouble(why: "failed" | "slow"): void {
    comfort.set({ denoise: "own" });
    this.deviceNews = { kind: "denoise", why };
    this.#meeting.choice = this.#choice();
    // What failed is not running; what is too slow has to end.
    if (why === "slow") this.reopen("microphone");
  }

  #entry(name: string): Entry {
    return {
      room: this.room,
      name,
      credential: credentialOf(this.ticket, this.password),
      deviceKey: deviceKey(),
      consentHash: null,
    };
  }

  #changed(state: MeetingState): void {
    const slots = state.slots !== this.state.slots;
    const captures = state.publishing !== this.state.publishing;
    // A token is good once.
    const isIn = state.phase.kind === "inside" || state.phase.kind === "waiting";
    if (isIn && this.ticket?.kind === "token" && this.state.phase.kind === "entering") dropTicket();
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
    // In a crowd somebody always comes or goes.
    const crowd = this.state.roster.size >= QUIET_FROM;
    if ((one.kind === "joined" || one.kind === "left") && !crowd) play(one.kind);
  }

  async #list(): Promise<void> {
    const devices = await listDevices();
    const same =
      devices.length === this.devices.length &&
      devices.every((one, i) => {
        const old = this.devices[i];
        return one.label === old?.label && one.id === old.id && one.group === old.group;
      });
    if (same) return;
    const { offered, moved, lost } = plugged(this.devices, devices, this.chosen);
    this.devices = devices;
    this.offers = [...this.offers, ...offered].filter((one) => devices.some((here) => here.id === one.device.id));
    for (const role of moved) this.reopen(role);
    // A microphone or camera that goes ends its track, which says so by itself.
    if (lost.includes("speaker")) this.#fellBack("speaker");
  }
}
