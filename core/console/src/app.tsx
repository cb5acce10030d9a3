/** The frame: login or the pages, navigation, and how the link to the exchange stands. */

import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask, get, Problem, whenLoggedOut } from "./api";
import { Watch } from "./live";
import type { Link, Live } from "./live";
import { ConfigPage } from "./pages/config";
import { DialplanPage } from "./pages/dialplan";
import { Login } from "./pages/login";
import { RecordsPage } from "./pages/records";
import { ScriptPage } from "./pages/script";
import { Switchboard } from "./pages/switchboard";
import { Telephones } from "./pages/telephones";
import { follow, usePath } from "./ui/address";
import { LiveContext, useNow } from "./ui/hooks";
import { duration } from "./labels";

const PAGES: [path: string, title: string, page: () => JSX.Element][] = [
  ["/", "Switchboard", Switchboard],
  ["/telephones", "Telephones", Telephones],
  ["/dialplan", "Dial plan", DialplanPage],
  ["/records", "Call records", RecordsPage],
  ["/config", "Configuration", ConfigPage],
  ["/script", "Script", ScriptPage],
];

type Session = "unknown" | "shut" | "open";

export function Console(): JSX.Element {
  const [session, setSession] = useState<Session>("unknown");
  const [silent, setSilent] = useState(false);
  useEffect(() => {
    whenLoggedOut(() => setSession("shut"));
    let timer: ReturnType<typeof setTimeout>;
    const probeSession = async (): Promise<void> => {
      try {
        await get("/whoami");
        setSession("open");
      } catch (why) {
        if (why instanceof Problem && why.status === 401) return;
        setSilent(true);
        timer = setTimeout(() => void probeSession(), 2000);
      }
    };
    void probeSession();
    return () => clearTimeout(timer);
  }, []);
  if (session === "shut") return <Login then={() => setSession("open")} />;
  if (session === "open") return <Shell leave={() => setSession("shut")} />;
  return <p class="alone">{silent ? "The exchange does not respond yet. Retrying…" : ""}</p>;
}

function Shell({ leave }: { leave: () => void }): JSX.Element {
  const [live, setLive] = useState<Live>({ state: null, link: { is: "connecting" }, log: [] });
  const watch = useMemo(() => new Watch(setLive), []);
  useEffect(() => {
    watch.start();
    return () => watch.stop();
  }, [watch]);
  const path = usePath();
  const [, title, Page] = PAGES.find(([at]) => at === path) ?? PAGES[0]!;
  const main = useRef<HTMLElement>(null);
  const seen = useRef(path);
  useEffect(() => {
    document.title = `${title} · Ringtrip`;
    // After a change of page the keyboard stands at its beginning; not at the first sight of the console.
    if (seen.current !== path) main.current?.focus();
    seen.current = path;
  }, [path, title]);
  const logout = async (): Promise<void> => {
    // Gone or not reachable: either way this browser shows nothing any more.
    await ask("/logout", { method: "POST" }).catch(() => undefined);
    leave();
  };
  return (
    <LiveContext.Provider value={live}>
      <header class="top">
        <a class="brand" href="/" onClick={(e) => follow(e, "/")}>
          <img src="/icon.svg" alt="" width="26" height="26" /> Ringtrip
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([at, name]) => (
            <a key={at} href={at} aria-current={name === title ? "page" : undefined} onClick={(e) => follow(e, at)}>
              {name}
            </a>
          ))}
        </nav>
        <div class="top-end">
          <LinkState link={live.link} />
          <button type="button" class="quiet" onClick={() => void logout()}>Log out</button>
        </div>
      </header>
      {live.link.is === "lost" && <Lost since={live.link.since} />}
      <main ref={main} tabIndex={-1}>
        <h1 class="unseen">{title}</h1>
        <Page />
      </main>
    </LiveContext.Provider>
  );
}

function LinkState({ link }: { link: Link }): JSX.Element {
  const words = { connecting: "Connecting…", live: "Live", lost: "Reconnecting…" };
  return <span class={`link link-${link.is}`} role="status" data-link={link.is}>{words[link.is]}</span>;
}

function Lost({ since }: { since: number }): JSX.Element {
  const now = useNow();
  return (
    <p class="note note-bad lost" role="alert">
      No connection to the exchange for {duration(now - since)}. The data shown is from that time. The console keeps
      reconnecting.
    </p>
  );
}
