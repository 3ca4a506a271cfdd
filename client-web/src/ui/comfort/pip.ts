/** The meeting in a small window above the others (Document Picture-in-Picture), or its picture alone. */
import { mount, unmount } from "svelte";
import type { TileId } from "../../core/stage";
import type { Client } from "../client.svelte";

/** What TypeScript's library does not know yet. */
interface SmallWindows {
  requestWindow(options: { width: number; height: number }): Promise<Window>;
}
const smallWindows = (): SmallWindows | null =>
  (window as unknown as { documentPictureInPicture?: SmallWindows }).documentPictureInPicture ?? null;

/** What this browser has of it. */
export function pipKind(): "document" | "video" | "none" {
  if (smallWindows() !== null) return "document";
  // Firefox has a button of its own on every picture, and nothing that a page could call.
  const has = "requestPictureInPicture" in HTMLVideoElement.prototype && document.pictureInPictureEnabled;
  return has ? "video" : "none";
}

export interface SmallWindow {
  close: () => void;
}

/** What the small window shows; read anew whenever it changes. */
export interface Shown {
  readonly tile: TileId | null;
}

/** Opens the small window; `closed` is called when it is gone, by whatever hand. Null when the browser refuses. */
export async function openPip(client: Client, shown: Shown, closed: () => void): Promise<SmallWindow | null> {
  try {
    return await (pipKind() === "document" ? openWindow(client, shown, closed) : openVideo(closed));
  } catch {
    // Without a gesture, or by a policy of the browser.
    return null;
  }
}

async function openWindow(client: Client, shown: Shown, closed: () => void): Promise<SmallWindow> {
  const windows = smallWindows();
  if (windows === null) throw new Error("no small windows");
  const small = await windows.requestWindow({ width: 384, height: 280 });
  const { default: PipView } = await import("./PipView.svelte");
  const { documentElement, head, body } = small.document;
  for (const sheet of document.querySelectorAll<HTMLLinkElement>('link[rel="stylesheet"]')) {
    const link = small.document.createElement("link");
    link.rel = "stylesheet";
    link.href = sheet.href;
    head.append(link);
  }
  const { lang, dir, dataset } = document.documentElement;
  documentElement.lang = lang;
  documentElement.dir = dir;
  if (dataset["theme"] !== undefined) documentElement.dataset["theme"] = dataset["theme"];
  small.document.title = document.title;
  const view = mount(PipView, { target: body, props: { client, shown, small } });
  small.addEventListener(
    "pagehide",
    () => {
      void unmount(view);
      closed();
    },
    { once: true },
  );
  return { close: () => small.close() };
}

async function openVideo(closed: () => void): Promise<SmallWindow> {
  const area = (one: HTMLVideoElement): number => one.clientWidth * one.clientHeight;
  const [largest] = [...document.querySelectorAll<HTMLVideoElement>("main video")]
    .filter((one) => one.readyState > 0 && one.closest('[data-own="true"]') === null)
    .sort((a, b) => area(b) - area(a));
  if (largest === undefined) throw new Error("no picture");
  await largest.requestPictureInPicture();
  largest.addEventListener("leavepictureinpicture", closed, { once: true });
  return { close: () => void document.exitPictureInPicture().catch(() => undefined) };
}

/** Has the browser open the small window when the tab is hidden; returns how to end that. */
export function openWhenHidden(open: () => void): () => void {
  const set = (handler: MediaSessionActionHandler | null): void => {
    try {
      navigator.mediaSession?.setActionHandler("enterpictureinpicture" as MediaSessionAction, handler);
    } catch {
      // A browser that does not know this action.
    }
  };
  set(open);
  return () => set(null);
}
