// Moves the window: arrow keys on the drawing, or a click on a cell of an output map. `element` and `trigger`
// come from gradio; the server answers the event `select` (kernel, row, column) with the next drawing.
const FORGET_MS = 1000; // while keys follow each other faster, count on from the last one, not from the screen
const PAUSE_MS = 60; // between two requests while a key is held down
const LOOK_MS = 20; // between two looks whether an answer has come
const PATIENCE_MS = 1000; // an answer that hasn't come by then isn't waited for
let place = null, pressed = -FORGET_MS, asked = null, sent = -PATIENCE_MS, waiting = null;

const map = () => element.querySelector("svg[data-goto]");

// Answers may overtake each other: the next request waits until the last one's answer is on screen.
function isAnswered() {
  if (asked === null || map()?.dataset.row === undefined || performance.now() > sent + PATIENCE_MS) return true;
  const now = onScreen();
  return ["kernel", "row", "column"].every((name) => now[name] === asked[name]);
}

function send() {
  waiting = isAnswered() ? null : setTimeout(send, LOOK_MS);
  if (waiting !== null) return;
  sent = performance.now();
  asked = { ...place };
  trigger("select", { ...place });
}

function onScreen() {
  const { kernel, row, column } = map().dataset;
  return { kernel: Number(kernel), row: Number(row), column: Number(column) };
}

function moved({ kernel, row, column }, key) {
  const { rows, columns } = map().dataset;
  const last = rows * columns - 1, index = row * columns + column;
  const target = {
    ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: last,
    ArrowUp: index - Number(columns), ArrowDown: index + Number(columns),
  }[key];
  if (target < 0 || target > last) return { kernel, row, column };
  return { kernel, row: Math.floor(target / columns), column: target % columns };
}

element.addEventListener("keydown", (event) => {
  if (!/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key)) return;
  if (event.altKey || event.ctrlKey || event.metaKey || map()?.dataset.row === undefined) return;
  event.preventDefault();
  if (event.timeStamp - pressed >= FORGET_MS) place = onScreen();
  pressed = event.timeStamp;
  place = moved(place, event.key);
  waiting ??= setTimeout(send, Math.max(0, sent + PAUSE_MS - performance.now()));
});

element.addEventListener("click", (event) => {
  const clicked = event.target.closest("svg[data-goto]");
  if (!clicked) return;
  const frame = clicked.getBoundingClientRect();
  const cell = (position, start, length, count) =>
    Math.min(Math.max(Math.floor(((position - start) / length) * count), 0), count - 1);
  place = {
    kernel: Number(clicked.dataset.kernel),
    row: cell(event.clientY, frame.top, frame.height, Number(clicked.dataset.rows)),
    column: cell(event.clientX, frame.left, frame.width, Number(clicked.dataset.columns)),
  };
  waiting ??= setTimeout(send, 0);
});
