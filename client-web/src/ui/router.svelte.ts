/** Two pages: the landing page and a room. */
import { slugOfPath } from "../core/text";

let path = $state(location.pathname);
addEventListener("popstate", () => (path = location.pathname));

export const router = {
  get route(): { page: "landing" } | { page: "room"; slug: string } | { page: "unknown" } {
    if (path === "/") return { page: "landing" };
    const slug = slugOfPath(path);
    return slug === null ? { page: "unknown" } : { page: "room", slug };
  },
  go(to: string): void {
    history.pushState(null, "", to);
    path = location.pathname;
  },
};
