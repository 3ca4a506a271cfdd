/** The meeting as the components see it: one reactive state, and the few things a user can do. */
import { flushSync } from "svelte";
import type { DuplicateChoice } from "../wire/messages";
import type { Announcement, Entry, MeetingState } from "../core/state";
import { initialState } from "../core/state";
import { inviteSecret } from "../core/text";
import type { ShownTile } from "../core/wish";
import type { Device } from "../media/devices";
import { listDevices, watchDevices } from "../media/devices";
import { Meeting, savedMeeting } from "../media/meeting";
import { deviceKey, read, write } from "../media/storage";
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
    if (saved !== null) this.#meeting.tell({ kind: "reload", entry: this.#entry(saved.name), saved });
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
  dismissNotice = (): void => this.#meeting.tell({ kind: "dismissNotice" });
  preview = (on: boolean): void => this.#meeting.tell({ kind: "preview", on });
  shareScreen = (audio: boolean): void => this.#meeting.tell({ kind: "shareScreen", audio });
  stopScreen = (): void => this.#meeting.tell({ kind: "stopScreen" });

  want(source: "microphone" | "camera", on: boolean): void {
    write("local", `join.${source}`, on ? "on" : "off");
    this.#meeting.tell({ kind: "want", source, on });
  }

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

  #entry(name: string): Entry {
    const secret = inviteSecret(location.hash);
    const credential = secret === null ? ({ kind: "none" } as const) : ({ kind: "invite", secret } as const);
    return { room: this.room, name, credential, deviceKey: deviceKey() };
  }

  #changed(state: MeetingState): void {
    const slots = state.slots !== this.state.slots;
    const captures = state.publishing !== this.state.publishing;
    this.state = state;
    // Elements of changed slots are off the screen before the core's acknowledgement goes out.
    if (slots) flushSync();
    if (captures) void this.#list();
  }

  #announce(one: Announcement): void {
    this.say(announcementText(one), one.kind === "link" && one.state === "lost");
  }

  async #list(): Promise<void> {
    const devices = await listDevices();
    const same =
      devices.length === this.devices.length &&
      devices.every((one, i) => one.label === this.devices[i]?.label && one.id === this.devices[i].id);
    if (!same) this.devices = devices;
  }
}
