/** Which page is shown: the path of the address bar, so that reload, bookmarks and the back button work. */

import { useEffect, useState } from "preact/hooks";

const listeners = new Set<() => void>();
addEventListener("popstate", () => listeners.forEach((tell) => tell()));

export function go(path: string): void {
  if (path !== location.pathname) history.pushState(null, "", path);
  listeners.forEach((tell) => tell());
}

export function usePath(): string {
  const [path, set] = useState(location.pathname);
  useEffect(() => {
    const tell = (): void => set(location.pathname);
    listeners.add(tell);
    return () => {
      listeners.delete(tell);
    };
  }, []);
  return path;
}

/** A click that the console handles itself; with a modifier key the browser opens a new tab as ever. */
export function follow(event: MouseEvent, path: string): void {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return;
  event.preventDefault();
  go(path);
}
