// The colours: those of the terminal's themes, or the colour-blind one's. The browser remembers the choice.

const KEY = "genre-tui-colour-blind";
const CHANGED = "palette-changed";

export function startPalette() {
  const box = document.getElementById("colour-blind");
  box.checked = localStorage.getItem(KEY) === "yes";
  const apply = () => {
    document.documentElement.classList.toggle("colour-blind", box.checked);
    document.dispatchEvent(new Event(CHANGED));
  };
  box.addEventListener("change", () => {
    localStorage.setItem(KEY, box.checked ? "yes" : "no");
    apply();
  });
  apply();
}

export const isColourBlind = () => document.documentElement.classList.contains("colour-blind");

// What a canvas shows has to be drawn again: it knows no style sheet. Nothing is drawn for an element that has gone.
export function onPalette(element, draw) {
  const listener = () => {
    if (element.isConnected) draw();
    else document.removeEventListener(CHANGED, listener);
  };
  document.addEventListener(CHANGED, listener);
}
