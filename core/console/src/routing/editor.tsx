import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { Lamplight } from "../ui/parts";
import type { Fault } from "../types";

interface Props {
  label: string;
  text: string;
  change?: (text: string) => void;
  faults: Fault[];
}

/** A document with line numbers; lines with faults are marked, and each fault leads to its place. */
export function Editor({ label, text, change, faults }: Props): JSX.Element {
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLOListElement>(null);
  const marks = new Map<number, string>();
  for (const fault of faults) {
    if (fault.severity === "error" || !marks.has(fault.line)) marks.set(fault.line, fault.severity);
  }
  const lines = text.split("\n");
  const jump = (fault: Fault): void => {
    const input = area.current;
    if (!input || fault.line < 1) return;
    const before = lines.slice(0, fault.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
    const line = lines[fault.line - 1] ?? "";
    const column = Math.min(Array.from(line).slice(0, Math.max(0, fault.column - 1)).join("").length, line.length);
    input.focus();
    input.setSelectionRange(before + column, before + line.length);
    input.scrollTop = Math.max(0, (fault.line - 5) * parseFloat(getComputedStyle(input).lineHeight));
  };
  return (
    <>
      <div class="editor">
        <ol ref={gutter} class="gutter code" aria-hidden="true">
          {lines.map((_, n) => <li key={n} class={marks.get(n + 1) ? `mark-${marks.get(n + 1)}` : ""}>{n + 1}</li>)}
        </ol>
        <textarea ref={area} class="code" aria-label={label} spellcheck={false} autocapitalize="off" wrap="off"
          readOnly={change === undefined} value={text} aria-invalid={faults.some((f) => f.severity === "error")}
          onInput={(e) => change?.(e.currentTarget.value)}
          onScroll={(e) => gutter.current?.style.setProperty("transform", `translateY(${-e.currentTarget.scrollTop}px)`)} />
      </div>
      <Faults faults={faults} jump={jump} />
    </>
  );
}

function Faults({ faults, jump }: { faults: Fault[]; jump: (fault: Fault) => void }): JSX.Element {
  return (
    <ul class="faults" aria-label="Faults">
      {faults.map((fault) => (
        <li key={`${fault.line}:${fault.column} ${fault.what}`} data-line={fault.line} data-severity={fault.severity}>
          <button type="button" class="plain" onClick={() => jump(fault)}>
            <Lamplight lamp={fault.severity === "error" ? "fault" : "wink"} />
            <span class="number">{fault.line > 0 ? `${fault.line}:${fault.column}` : "–"}</span>
            <span>
              <strong>{fault.severity === "error" ? "Error" : "Warning"}</strong> {fault.path !== "" && <code>{fault.path}</code>} {fault.what}
              {fault.hint !== "" && <span class="faint">; {fault.hint}</span>}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
