/**
 * The shell around the core: it hears the link, the peer connection, the devices and the clock, tells the core, and
 * does what the core answers. It decides nothing.
 */
import type { ChatFormat, Source } from "../wire/messages";
import { SOURCES } from "../core/publishing";
import type { Announcement, Effect, MeetingEvent, MeetingState, Reply, SavedMeeting, SavedWait } from "../core/state";
import { initialState } from "../core/state";
import { needsSteadyTicks } from "../core/lobby";
import { usable } from "../core/relay";
import { savedOf } from "../core/saved";
import { step } from "../core/step";
import type { Captured, DeviceChoice } from "./devices";
import { capture, captureScreen, hintScreen } from "./devices";
import { ChatKeeper } from "./chat-keeper";
import { Link } from "./link";
import { type DenoiseTrouble, prepare, rawOf, stopTrack } from "./microphone";
import type { Sound } from "./sounds";
import { readJson, write } from "./storage";
import { Steady } from "./steady";
import { Transport } from "./transport";

const TICK_MS = 200;
/** Of two clocks that go apart by so much, one stood still while the machine slept. */
const SLEPT_MS = 5_000;
/** The close code of a socket that broke (RFC 6455, section 7.4.1). */
const ABNORMAL = 1006;

type WithoutTime<E> = E extends unknown ? Omit<E, "nowMs"> : never;
export type Input = WithoutTime<MeetingEvent>;

export interface Listener {
  /** Called before the effects of a change are carried out: elements are detached before a slot is acknowledged. */
  changed(state: MeetingState): void;
  announce(announcement: Announcement): void;
  sound(sound: Sound): void;
  /** A device is gone, and the system's default is sent in its place. */
  fellBack(source: "microphone" | "camera"): void;
  /** Noise suppression does not work on this device. */
  denoiseTrouble(why: DenoiseTrouble): void;
  download(file: { format: ChatFormat; text: string }): void;
}

export class Meeting {
  #state: MeetingState;
  #link: Link | null = null;
  #transport: Transport | null = null;
  readonly #tracks = new Map<Source, MediaStreamTrack>();
  readonly #listener: Listener;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #steady = new Steady();
  readonly #keeper = new ChatKeeper();
  readonly #inbox: Input[] = [];
  readonly #closing = new AbortController();
  #stepping = false;
  /** The time of day at which the clock of the page read zero. */
  #zeroMs = Date.now() - performance.now();
  /** The devices to prefer; read whenever one is opened. */
  choice: DeviceChoice;

  constructor(listener: Listener, wants: { microphone: boolean; camera: boolean }, choice: DeviceChoice) {
    this.#state = initialState(wants);
    this.#listener = listener;
    this.choice = choice;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    const { signal } = this.#closing;
    addEventListener("online", () => this.tell({ kind: "retryNow" }), { signal });
    // The socket itself may take minutes to notice.
    addEventListener("offline", () => this.#dropLink(), { signal });
  }

  get state(): MeetingState {
    return this.#state;
  }

  /** The own track of a source, for previews and meters. */
  track(source: Source): MediaStreamTrack | null {
    return this.#tracks.get(source) ?? null;
  }

  /** The microphone as this device hears it, even while it is muted. */
  get heard(): MediaStreamTrack | null {
    const track = this.track("microphone");
    return track === null ? null : rawOf(track);
  }

  /** The rows of the peer connection's statistics. */
  async stats(): Promise<Record<string, unknown>[]> {
    return (await this.#transport?.stats()) ?? [];
  }

  /** What arrives on a receiving m-line. */
  stream(mid: string): MediaStream | null {
    return this.#transport?.stream(mid) ?? null;
  }

  /** Ends everything this object opened. */
  close(): void {
    clearInterval(this.#timer);
    this.#steady.close();
    this.#keeper.close();
    this.#closing.abort();
    this.#link?.close();
    this.#transport?.close();
    for (const source of SOURCES) this.#release(source);
  }

  #tick(): void {
    const zeroMs = Date.now() - performance.now();
    if (Math.abs(zeroMs - this.#zeroMs) > SLEPT_MS) {
      this.#zeroMs = zeroMs;
      this.tell({ kind: "woke" });
    }
    this.tell({ kind: "tick" });
  }

  /** Tells the core that something happened. Effects may tell more; that waits for its turn. */
  tell(input: Input): void {
    this.#inbox.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) this.#step(next);
    } finally {
      // What one message breaks must not silence all later ones.
      this.#stepping = false;
    }
  }

  #step(input: Input): void {
    const { state, effects } = step(this.#state, { ...input, nowMs: performance.now() } as MeetingEvent);
    if (state !== this.#state) {
      this.#state = state;
      this.#keeper.changed(state);
      this.#steady.hold(needsSteadyTicks(state));
      this.#listener.changed(state);
    }
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "openLink":
        return this.#openLink();
      case "closeLink":
        this.#link?.close();
        this.#link = null;
        return;
      case "request":
        return this.#link?.send(effect.request);
      case "save":
        return save(this.#state);
      case "forget":
        return write("session", "meeting", null);
      case "openTransport":
        return this.#openTransport(effect.generation);
      case "restartIce":
        return this.#transport?.restartIce(usable(this.#state));
      case "configure":
        return this.#transport?.configure(usable(this.#state));
      case "closeTransport":
        this.#transport?.close();
        this.#transport = null;
        return;
      case "answer":
        if (this.#transport?.generation === effect.generation) void this.#transport.answer(effect.sdp);
        return;
      case "capture":
        void this.#capture(effect.sources, this.choice).then((captured) => this.#take(captured));
        return;
      case "captureScreen":
        void captureScreen(effect.audio, effect.hint).then((captured) => this.#take(captured));
        return;
      case "screenHint": {
        const track = this.track("screen");
        if (track !== null) void hintScreen(track, effect.hint);
        return;
      }
      case "release":
        return this.#release(effect.source);
      case "attach":
        void this.#transport?.attach(effect.source, this.track(effect.source));
        return;
      case "detach":
        void this.#transport?.attach(effect.source, null);
        return;
      case "enable": {
        const track = this.track(effect.source);
        if (track !== null) track.enabled = effect.on;
        return;
      }
      case "layers":
        void this.#transport?.setLayers(effect.source, effect.active);
        return;
      case "sound":
        return this.#listener.sound(effect.sound);
      case "download":
        return this.#listener.download(effect.file);
      case "announce":
        return this.#listener.announce(effect.announcement);
    }
  }

  #openLink(): void {
    this.#link?.close();
    this.#link = new Link({
      open: () => this.tell({ kind: "linkOpen" }),
      closed: (code) => this.tell({ kind: "linkClosed", code, random: Math.random() }),
      // The answer's type goes with the request's; the wire says so, not the compiler.
      ok: (request, ok) => this.tell({ kind: "ok", type: request.type, request, ok } as Reply),
      failed: (request, error) => this.tell({ kind: "failed", request, error }),
      push: (push) => this.tell({ kind: "push", push }),
    });
  }

  #dropLink(): void {
    if (this.#link === null) return;
    this.#link.close();
    this.#link = null;
    this.tell({ kind: "linkClosed", code: ABNORMAL, random: Math.random() });
  }

  #openTransport(generation: number): void {
    this.#transport?.close();
    const { media, transport } = this.#state;
    const relayOnly = transport.kind === "offering" && transport.relayOnly;
    this.#transport = new Transport(
      generation,
      media,
      { iceServers: usable(this.#state), relayOnly },
      {
        offer: (sdp) => this.tell({ kind: "offer", generation, sdp }),
        ice: (state) => this.tell({ kind: "ice", generation, state }),
        failed: () => this.tell({ kind: "transportFailed", generation }),
      },
    );
  }

  async #capture(sources: readonly ("microphone" | "camera")[], choice: DeviceChoice): Promise<Captured> {
    const captured = await capture(sources, choice);
    const { microphone: raw, ...others } = captured.tracks;
    if (raw === undefined) return captured;
    const microphone = await prepare(raw, choice.denoise === "strong", (why) => this.#listener.denoiseTrouble(why));
    return { ...captured, tracks: { ...others, microphone } };
  }

  /** A device is gone: whatever the system offers in its place is sent on the same m-line. */
  async #replace(source: "microphone" | "camera", gone: MediaStreamTrack): Promise<void> {
    const captured = await this.#capture([source], { ...this.choice, [source]: null });
    if (this.#tracks.get(source) !== gone || this.#closing.signal.aborted) {
      for (const track of Object.values(captured.tracks)) stopTrack(track);
      return;
    }
    if (captured.tracks[source] === undefined) return this.tell({ kind: "captureFailed", source, reason: "ended" });
    this.#take(captured);
    this.#listener.fellBack(source);
  }

  #take(captured: Captured): void {
    if (this.#closing.signal.aborted) return Object.values(captured.tracks).forEach(stopTrack);
    const sources = SOURCES.filter((source) => captured.tracks[source] !== undefined);
    for (const source of sources) {
      this.#release(source);
      const track = captured.tracks[source];
      if (track === undefined) continue;
      this.#tracks.set(source, track);
      rawOf(track).onended = () => {
        if (this.#tracks.get(source) !== track) return;
        if (source === "microphone" || source === "camera") void this.#replace(source, track);
        else this.tell({ kind: "captureFailed", source, reason: "ended" });
      };
    }
    if (sources.length > 0) this.tell({ kind: "captured", sources });
    for (const failure of captured.failures) this.tell({ kind: "captureFailed", ...failure });
  }

  #release(source: Source): void {
    const track = this.#tracks.get(source);
    this.#tracks.delete(source);
    if (track === undefined) return;
    rawOf(track).onended = null;
    stopTrack(track);
  }
}

function save(state: MeetingState): void {
  const saved = savedOf(state);
  if (saved !== null) write("session", "meeting", JSON.stringify(saved));
}

/** Returns the stay in `room`, or before it, that this tab had before the page was loaded anew. */
export function savedMeeting(room: string): SavedMeeting | SavedWait | null {
  const isSaved = (value: unknown): value is SavedMeeting | SavedWait =>
    typeof value === "object" &&
    value !== null &&
    (("resume" in value && "overrides" in value) || "waiting" in value) &&
    "room" in value &&
    value.room === room;
  return readJson("session", "meeting", isSaved);
}
