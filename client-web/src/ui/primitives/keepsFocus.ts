import type { Attachment } from "svelte/attachments";

const PLACES = "button:not(:disabled), input:not(:disabled), select, textarea";

/**
 * Keeps the focus in a list whose rows go when they are dealt with: it moves to the same button of the next row, or to
 * `otherwise` when there is none. Without this it would fall to the page, and the keyboard begin anew.
 */
export function keepsFocus(otherwise: () => HTMLElement | undefined): Attachment<HTMLElement> {
  return (list) => {
    const places = (): HTMLElement[] => [...list.querySelectorAll<HTMLElement>(PLACES)];
    const labelOf = (one: HTMLElement): string => one.textContent.trim();
    let last: { element: HTMLElement; index: number } | null = null;
    const lost = (): boolean =>
      last !== null &&
      !last.element.isConnected &&
      (document.activeElement === null || document.activeElement === document.body);

    function onfocusin(event: FocusEvent): void {
      if (event.target instanceof HTMLElement) last = { element: event.target, index: places().indexOf(event.target) };
    }
    function settle(): void {
      if (last === null || !lost()) return;
      const { element, index } = last;
      last = null;
      // Only a button that does the same: whoever presses a key twice must not do something else.
      const rest = places();
      const same = (one: HTMLElement): boolean => labelOf(one) === labelOf(element);
      const next = rest.slice(index).find(same) ?? rest.slice(0, index).reverse().find(same);
      (next ?? otherwise())?.focus();
    }
    const observer = new MutationObserver(settle);
    observer.observe(list, { childList: true, subtree: true });
    list.addEventListener("focusin", onfocusin);
    return () => {
      observer.disconnect();
      list.removeEventListener("focusin", onfocusin);
      // The list itself may go with its last row.
      queueMicrotask(() => lost() && otherwise()?.focus());
    };
  };
}
