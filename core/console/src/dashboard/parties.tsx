import type { JSX } from "preact";
import { Empty, Lamplight, Section } from "../ui/parts";
import type { Contact, Extension, Gateway, Line } from "../types";
import type { Lamp } from "../labels";
import { clock, lineLamp, lineLabel, ms, plain } from "../labels";

interface Props {
  extensions: Extension[];
  lines: Record<string, Line>;
}

export function Extensions({ extensions, lines }: Props): JSX.Element {
  return (
    <Section title="Extensions" aside={<span class="count">{extensions.length}</span>}>
      {extensions.length === 0 && <Empty>No extension is configured.</Empty>}
      <ul class="list">
        {extensions.map((ext) => <Row key={ext.id} ext={ext} line={ext.line === null ? undefined : lines[ext.line]} />)}
      </ul>
    </Section>
  );
}

function Row({ ext, line }: { ext: Extension; line: Line | undefined }): JSX.Element {
  const reachable = ext.contacts.length > 0 || (line !== undefined && line.state !== "out-of-service");
  const lamp: Lamp = ext.calls > 0 ? "steady" : line && line.state !== "idle" ? lineLamp(line.state) : "dark";
  return (
    <li data-extension={ext.id}>
      <div class="list-head">
        <Lamplight lamp={lamp} />
        <strong>{ext.id}</strong> {ext.name !== "" && ext.name !== ext.id && <span>{ext.name}</span>}
        {!reachable && <span class="tag">Not reachable</span>}
        {ext.calls > 0 && <span class="tag tag-good">{ext.calls === 1 ? "1 call" : `${ext.calls} calls`}</span>}
      </div>
      {line !== undefined && <p class="faint">Jack {line.id}: {lineLabel(line.state).toLowerCase()}</p>}
      {ext.contacts.map((contact) => <Phone key={contact.uri} contact={contact} />)}
    </li>
  );
}

function Phone({ contact }: { contact: Contact }): JSX.Element {
  return (
    <p class="faint" title={contact.uri}>
      {contact.user_agent || "SIP phone"} at {contact.address} ({contact.transport.toUpperCase()}), until{" "}
      {clock(contact.expires_micros)}{contact.latency_ms !== null && `, ${ms(contact.latency_ms)}`}
    </p>
  );
}

export function Gateways({ gateways }: { gateways: Gateway[] }): JSX.Element {
  return (
    <Section title="Gateways" aside={<span class="count">{gateways.length}</span>}>
      {gateways.length === 0 && <Empty>No SIP provider is configured. Calls go out of the landline jack.</Empty>}
      <ul class="list">
        {gateways.map((gw) => (
          <li key={gw.id} data-gateway={gw.id}>
            <div class="list-head">
              <Lamplight lamp={!gw.up ? "fault" : gw.calls > 0 ? "steady" : "dark"} />
              <strong>{gw.id}</strong> <span>{gw.server}</span>
              <span class={`tag ${gw.up ? "tag-good" : "tag-bad"}`}>{gw.up ? "Up" : "Down"}</span>
            </div>
            <p class="faint">
              {plain(gw.registration)}{gw.address !== null && ` at ${gw.address}`}; round trip {ms(gw.latency_ms)};{" "}
              {gw.calls === 1 ? "1 call" : `${gw.calls} calls`}
              {gw.expires_micros !== null && `; until ${clock(gw.expires_micros)}`}
            </p>
            {gw.why !== null && <p class="faint">{plain(gw.why)}</p>}
          </li>
        ))}
      </ul>
    </Section>
  );
}
