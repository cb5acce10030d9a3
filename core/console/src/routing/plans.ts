/**
 * The dial plans that a configuration names: the strings of its `[plans]` table. This reads just so much TOML; whether
 * the document is right is for the exchange to say.
 */

export interface NamedPlan {
  name: string;
  text: string;
}

const STRING = /^("""[^]*?"""|'''[^]*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')/;
const KEY = /^\s*([A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*")\s*=\s*/;

export function plansIn(toml: string): NamedPlan[] {
  const plans: NamedPlan[] = [];
  let rest = toml;
  let inside = false;
  while (rest !== "") {
    const header = /^\s*\[([^\]\n]*)\]/.exec(rest);
    if (header) {
      inside = header[1]?.trim() === "plans";
      rest = afterLine(rest.slice(header[0].length));
      continue;
    }
    const key = KEY.exec(rest);
    const value = key && STRING.exec(rest.slice(key[0].length));
    if (!key || !value?.[1]) {
      rest = afterLine(rest);
      continue;
    }
    if (inside) plans.push({ name: unquote(key[1] ?? ""), text: unquote(value[1]) });
    rest = afterLine(rest.slice(key[0].length + value[0].length));
  }
  return plans;
}

function afterLine(text: string): string {
  const end = text.indexOf("\n");
  return end < 0 ? "" : text.slice(end + 1);
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", '"': '"', "\\": "\\" };

/** TOML's four kinds of strings; a bare word stays as it is. */
function unquote(text: string): string {
  const long = text.startsWith('"""') || text.startsWith("'''");
  if (text.startsWith("'")) return long ? text.slice(3, -3).replace(/^\n/, "") : text.slice(1, -1);
  if (!text.startsWith('"')) return text;
  const inner = long ? text.slice(3, -3).replace(/^\n/, "").replace(/\\\s*\n\s*/g, "") : text.slice(1, -1);
  return inner.replace(/\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)/g, (_, code: string) => {
    if (/^[uU]./.test(code)) return String.fromCodePoint(Number.parseInt(code.slice(1), 16));
    return ESCAPES[code] ?? code;
  });
}
