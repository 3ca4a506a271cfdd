import type { Attachment } from "svelte/attachments";

/**
 * Makes the buttons of a toolbar one tab stop: arrows, Home and End move within it (WAI-ARIA toolbar pattern). The stop
 * is where the focus was last; buttons may come and go.
 */
export const roving: Attachment<HTMLElement> = (toolbar) => {
  const buttons = (): HTMLElement[] =>
    [...toolbar.querySelectorAll<HTMLElement>("button:not(:disabled)")].filter((one) => one.offsetParent !== null);
  const settle = (stop: HTMLElement | undefined): void => {
    for (const button of toolbar.querySelectorAll<HTMLElement>("button")) button.tabIndex = button === stop ? 0 : -1;
  };
  const current = (): HTMLElement | undefined => buttons().find((one) => one.tabIndex === 0) ?? buttons()[0];

  function onkeydown(event: KeyboardEvent): void {
    const all = buttons();
    const from = all.findIndex((one) => one === document.activeElement);
    if (from < 0) return;
    const forward = getComputedStyle(toolbar).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    const back = forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
    const to =
      event.key === forward
        ? (from + 1) % all.length
        : event.key === back
          ? (from + all.length - 1) % all.length
          : event.key === "Home"
            ? 0
            : event.key === "End"
              ? all.length - 1
              : -1;
    const target = all[to];
    if (target === undefined) return;
    event.preventDefault();
    settle(target);
    target.focus();
  }
  const onfocusin = (event: FocusEvent): void => {
    if (event.target instanceof HTMLButtonElement) settle(event.target);
  };

  settle(buttons()[0]);
  const observer = new MutationObserver(() => settle(current()));
  observer.observe(toolbar, { childList: true, subtree: true });
  toolbar.addEventListener("keydown", onkeydown);
  toolbar.addEventListener("focusin", onfocusin);
  return () => {
    observer.disconnect();
    toolbar.removeEventListener("keydown", onkeydown);
    toolbar.removeEventListener("focusin", onfocusin);
  };
};
