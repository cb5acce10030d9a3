/** Small pieces of the picture that many pages share. */

import type { ComponentChildren, JSX } from "preact";
import { useLive } from "./hooks";
import type { Lamp } from "../labels";

export function Lamplight({ lamp }: { lamp: Lamp }): JSX.Element {
  return <span class={`lamp lamp-${lamp}`} aria-hidden="true" />;
}

interface SectionProps {
  title: string;
  children: ComponentChildren;
  /** Stands right of the title. */
  aside?: ComponentChildren;
  class?: string;
}

export function Section({ title, children, aside, class: extra = "" }: SectionProps): JSX.Element {
  return (
    <section class={`card ${extra}`} aria-label={title}>
      <header class="card-head">
        <h2>{title}</h2>
        {aside !== undefined && <div class="card-aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** An error, read out when it appears. Takes no room when there is none. */
export function Trouble({ error }: { error: string | null }): JSX.Element {
  return (
    <div role="alert" class="slot">
      {error !== null && <p class="note note-bad">{marked(error)}</p>}
    </div>
  );
}

/** Commands stand between backticks in the exchange's sentences. */
function marked(text: string): ComponentChildren {
  return text.split("`").map((piece, n) => (n % 2 === 1 ? <code key={n}>{piece}</code> : piece));
}

/** Something that went well, read out politely. */
export function Said({ text }: { text: string | null }): JSX.Element {
  return (
    <div role="status" class="slot">
      {text !== null && <p class="note note-good">{text}</p>}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}

/** A party of a call: who telephones from a jack is known by the extension, the jack stands beside it. */
export function Party({ name }: { name: string }): JSX.Element {
  const extension = useLive().state?.lines[name]?.extension;
  return extension ? <>{extension} <span class="faint">on {name}</span></> : <>{name}</>;
}

interface FieldProps {
  label: string;
  children: ComponentChildren;
  class?: string;
}

export function Field({ label, children, class: extra = "" }: FieldProps): JSX.Element {
  return (
    <label class={`field ${extra}`}>
      <span>{label}</span>
      {children}
    </label>
  );
}
