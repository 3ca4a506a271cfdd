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
export const chatPanel = part(() => import("./chat/ChatPanel.svelte"));
export const leaveDialog = part(() => import("./life/LeaveDialog.svelte"));
export const attendanceDialog = part(() => import("./life/AttendanceDialog.svelte"));
export const settingsDialog = part(() => import("./comfort/SettingsDialog.svelte"));
export const helpDialog = part(() => import("./comfort/HelpDialog.svelte"));
export const connectionDialog = part(() => import("./comfort/ConnectionDialog.svelte"));
export const checkDialog = part(() => import("./comfort/CheckDialog.svelte"));
export const moreMenu = part(() => import("./comfort/MoreMenu.svelte"));
export const roomSheet = part(() => import("./security/RoomSheet.svelte"));
export const managementSheet = part(() => import("./security/ManagementSheet.svelte"));

/** Loads what a moderator needs, so that it is there when the network is not. */
export function preload(): void {
  // A failure is told when the part is asked for.
  for (const load of [personMenu, roomSheet, leaveDialog]) load().catch(() => undefined);
}
