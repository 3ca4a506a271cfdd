/** The parts of the page that are loaded when they are needed, or before. */
interface Part<T> {
  /** Loads the part; whoever asks again after a failure tries again. */
  (): Promise<T>;
}

function part<T>(load: () => Promise<T>): Part<T> {
  let loading: Promise<T> | null = null;
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = null;
      throw error;
    });
    return loading;
  };
}

export const personMenu = part(() => import("./people/PersonMenu.svelte"));
export const roomSheet = part(() => import("./security/RoomSheet.svelte"));
export const managementSheet = part(() => import("./security/ManagementSheet.svelte"));

/** Loads what a moderator needs, so that it is there when the network is not. */
export function preload(): void {
  // A failure is told when the part is asked for.
  for (const load of [personMenu, roomSheet]) load().catch(() => undefined);
}
