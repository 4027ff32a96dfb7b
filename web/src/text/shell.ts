/** Words of a command that a person will paste into a shell. Some come from the address bar, so they are quoted. */

export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function command(...words: string[]): string {
  return words.map(shellWord).join(" ");
}
