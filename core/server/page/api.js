// Requests, and what the server says when it refuses one.

export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.status = problem.status;
  }
}

export async function getJson(path, options) {
  const answer = await fetch(path, options);
  const content = await answer.json().catch(() => ({ title: "The answer is not JSON", status: answer.status }));
  if (answer.ok) return content;
  if (answer.status === 401) document.getElementById("locked").hidden = false;
  throw new Refusal(content);
}

export function socketAddress(path) {
  const address = new URL(path, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  return address;
}

export const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;

export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
