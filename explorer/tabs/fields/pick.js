// Turns clicks and arrow keys on a drawing into the event `select`. `element` and `trigger` come from gradio.
// A drawing says what it is: data-pick="map" (cells, arrow keys move the unit) or "picture" (pixels). A row of a
// table with data-layer, and a button with data-apply, report theirs.
const FORGET_MS = 1000; // while keys follow each other faster, count on from the last one, not from the screen
const PAUSE_MS = 60; // between two requests while a key is held down
let place = null, pressed = -FORGET_MS, waiting = null;

const drawing = () => element.querySelector("svg[data-pick]");

function clickedPlace(svg, event) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return { pick: svg.dataset.pick, x, y };
}

element.addEventListener("click", (event) => {
  const svg = event.target.closest("svg[data-pick]");
  const row = event.target.closest("[data-layer]");
  const button = event.target.closest("[data-apply]");
  if (svg) trigger("select", clickedPlace(svg, event));
  else if (button) trigger("select", { pick: "apply", number: Number(button.dataset.apply) });
  else if (row) trigger("select", { pick: "layer", layer: row.dataset.layer });
});

element.addEventListener("keydown", (event) => {
  const row = event.target.closest("tr[data-layer]");
  if (row && event.key === "Enter") trigger("select", { pick: "layer", layer: row.dataset.layer });
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  const { pick, row: at, column, rows, columns } = drawing()?.dataset ?? {};
  if (!step || pick !== "map" || at === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  if (event.timeStamp - pressed >= FORGET_MS) place = [Number(at), Number(column)];
  pressed = event.timeStamp;
  place = [rows, columns].map((count, i) => Math.min(Math.max(place[i] + step[i], 0), count - 1));
  waiting ??= setTimeout(() => {
    waiting = null;
    trigger("select", { pick: "map", x: place[1] + 0.5, y: place[0] + 0.5 });
  }, PAUSE_MS);
});
