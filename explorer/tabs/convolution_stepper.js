// Moves the window: arrow keys on the drawing, or a click on a cell of an output map. `element` and `trigger`
// come from gradio; the server answers the event `select` with the next drawing.
const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
const go = (wish) => trigger("select", { key: "", kernel: 0, row: 0, column: 0, ...wish });

element.addEventListener("keydown", (event) => {
  if (!KEYS.includes(event.key) || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  go({ key: event.key });
});

element.addEventListener("click", (event) => {
  const map = event.target.closest("svg[data-goto]");
  if (!map) return;
  const frame = map.getBoundingClientRect();
  const cell = (position, start, length, count) =>
    Math.min(Math.max(Math.floor(((position - start) / length) * count), 0), count - 1);
  go({
    kernel: Number(map.dataset.kernel),
    row: cell(event.clientY, frame.top, frame.height, Number(map.dataset.rows)),
    column: cell(event.clientX, frame.left, frame.width, Number(map.dataset.columns)),
  });
});
