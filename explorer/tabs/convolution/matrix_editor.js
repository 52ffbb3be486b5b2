// A grid of cells to type a matrix into, one grid per channel or kernel. Runs once when the component appears;
// `element`, `props`, `trigger` and `watch` come from gradio. The value is
// {blocks: [[[text]]], per: blocks to a kernel, biases: [text] | null, marks: [[[verdict]]] | null}.
const options = props.options;
const NUMBER = /^\s*[+\-−]?(\d+([.,]\d*)?|[.,]\d+)([eE][+\-−]?\d+)?\s*$|^\s*[+\-−]?\d+\s*\/\s*0*[1-9]\d*\s*$/;
const GRID_SIDE = 16; // longer sides are typed as text: hundreds of fields help nobody
let asText = false;

const value = () => props.value;
const rows = (block) => block.length;
const columns = (block) => block[0].length;
const make = (tag, attributes = {}, text = "") => {
  const node = document.createElement(tag);
  for (const [name, content] of Object.entries(attributes)) node.setAttribute(name, content);
  node.textContent = text;
  return node;
};
const copy = () => JSON.parse(JSON.stringify(value()));

function commit(next) {
  props.value = next;
  trigger("edit");
}

function blockName(index) {
  const { blocks, per } = value();
  if (!options.kernels) return blocks.length > 1 ? `channel ${index + 1}` : "";
  const name = `w${Math.floor(index / per) + 1}`;
  return per > 1 ? `${name}, channel ${(index % per) + 1}` : name;
}

const cellName = (index, row, column) =>
  [options.name, blockName(index), `row ${row + 1}`, `column ${column + 1}`].filter(Boolean).join(", ");

function judge(input) {
  const bad = !NUMBER.test(input.value) && !(options.blanks && input.value.trim() === "");
  input.toggleAttribute("aria-invalid", bad);
  if (bad) input.setAttribute("aria-invalid", "true");
}

function cellInput(index, row, column, text) {
  const input = make("input", {
    type: "text", autocomplete: "off", spellcheck: "false", maxlength: "40",
    "aria-label": cellName(index, row, column),
  });
  Object.assign(input.dataset, { block: index, row, column });
  input.value = text;
  const verdict = value().marks?.[index]?.[row]?.[column];
  if (verdict) {
    input.classList.add(verdict);
    input.setAttribute("aria-label", `${cellName(index, row, column)}: ${verdict}`);
  }
  judge(input);
  return input;
}

function grid(index, block) {
  const table = make("div", { class: "cells", role: "group", "aria-label": cellGroupName(index) });
  table.style.gridTemplateColumns = `repeat(${columns(block)}, minmax(0, var(--cell)))`;
  block.forEach((line, row) => line.forEach((text, column) => table.append(cellInput(index, row, column, text))));
  return table;
}

const cellGroupName = (index) => [options.name, blockName(index)].filter(Boolean).join(", ");

function textArea(index, block) {
  const area = make("textarea", {
    "aria-label": `${cellGroupName(index)}, one row a line`, spellcheck: "false",
    rows: String(Math.min(rows(block) + 1, 7)),
  });
  area.dataset.block = index;
  area.value = block.map((line) => line.join(line.some((cell) => /[\s,;]/.test(cell)) ? "\t" : " ")).join("\n");
  return area;
}

function biasField(kernel) {
  const label = make("label", { class: "bias" }, "bias ");
  const input = make("input", {
    type: "text", autocomplete: "off", maxlength: "40", "aria-label": `Bias of w${kernel + 1}`,
  });
  input.dataset.bias = kernel;
  input.value = value().biases[kernel];
  judge(input);
  label.append(input);
  return label;
}

function stepper(what, count, change) {
  const box = make("span", { class: "stepper" });
  const less = make("button", { type: "button", "aria-label": `${options.name}: one ${what} less` }, "−");
  const more = make("button", { type: "button", "aria-label": `${options.name}: one ${what} more` }, "+");
  less.disabled = count <= 1;
  more.disabled = count >= options.limits[what];
  less.dataset.key = `${what}-`;
  more.dataset.key = `${what}+`;
  less.onclick = () => change(-1);
  more.onclick = () => change(1);
  box.title = `${what}s`;
  const shown = what === "channel" ? `${count} ${count === 1 ? "channel" : "channels"}` : count;
  box.append(less, make("span", {}, shown), more);
  return box;
}

function resizeRows(by) {
  const next = copy();
  next.marks = null;
  for (const block of next.blocks) {
    if (by > 0) block.push(block[0].map(() => "0"));
    else block.pop();
  }
  commit(next);
  render();
}

function resizeColumns(by) {
  const next = copy();
  next.marks = null;
  for (const block of next.blocks) for (const line of block) by > 0 ? line.push("0") : line.pop();
  commit(next);
  render();
}

function resizeBlocks(by) {
  const next = copy();
  const group = next.per;
  next.marks = null;
  if (by > 0) {
    for (let i = 0; i < group; i++) next.blocks.push(next.blocks[0].map((line) => line.map(() => "0")));
    next.biases?.push("0");
  } else {
    next.blocks.splice(-group);
    next.biases?.pop();
  }
  commit(next);
  render();
}

function toolbar() {
  const bar = make("div", { class: "bar" });
  bar.append(make("span", { class: "name" }, options.name));
  if (options.resizable) {
    const { blocks, per } = value();
    const size = make("span", { class: "size" });
    size.append(stepper("row", rows(blocks[0]), resizeRows), "×", stepper("column", columns(blocks[0]), resizeColumns));
    if (options.word) bar.append(stepper(options.word, blocks.length / per, resizeBlocks));
    if (options.kernels) bar.append("of");
    bar.append(size);
    if (!textOnly()) {
      const toggle = make("button", {
        type: "button", class: "toggle", "aria-pressed": String(asText), "aria-label": `${options.name} as text`,
      }, "text");
      toggle.dataset.key = "text";
      toggle.onclick = () => { asText = !asText; render(); };
      bar.append(toggle);
    }
  }
  return bar;
}

// Rows of different lengths come from typed text, and are mended there.
const textOnly = () => value().blocks.some((block) =>
  rows(block) > GRID_SIDE || columns(block) > GRID_SIDE || block.some((line) => line.length !== columns(block)));

function render() {
  const focused = element.contains(document.activeElement) ? { ...document.activeElement.dataset } : null;
  const { blocks, per, biases } = value();
  const board = make("div", { class: "blocks" });
  const text = asText || textOnly();
  blocks.forEach((block, index) => {
    const box = make("div", { class: "block" });
    if (blockName(index)) box.append(make("span", { class: "block-name" }, blockName(index)));
    box.append(text ? textArea(index, block) : grid(index, block));
    if (biases && (index + 1) % per === 0) box.append(biasField((index + 1) / per - 1));
    board.append(box);
  });
  const editor = element.querySelector(".matrix-editor");
  editor.style.setProperty("--cell", columns(blocks[0]) > 8 ? "30px" : "38px");
  editor.replaceChildren(...(options.bare ? [] : [toolbar()]), board);
  if (focused) refocus(focused);
}

function refocus(data) {
  const selector = data.key ? `[data-key="${data.key}"]`
    : data.bias ? `[data-bias="${data.bias}"]`
    : `[data-block="${data.block}"][data-row="${data.row}"][data-column="${data.column}"]`;
  const target = element.querySelector(selector);
  if (target && !target.disabled) target.focus();
}

const splitLine = (line) =>
  line.includes("\t") ? line.split("\t") : line.includes(";") ? line.split(";") : line.trim().split(/\s*,\s*|\s+/);
const splitText = (text) => text.replace(/\r/g, "").split("\n").filter((line) => line.trim()).map(splitLine);

function takeInput(input) {
  const next = copy();
  const { block, row, column, bias } = input.dataset;
  if (bias !== undefined) next.biases[+bias] = input.value;
  else {
    next.blocks[+block][+row][+column] = input.value;
    if (next.marks) next.marks[+block][+row][+column] = "";
    input.classList.remove("right", "wrong", "unreadable", "empty");
    input.setAttribute("aria-label", cellName(+block, +row, +column));
  }
  judge(input);
  commit(next);
}

function takeText(area) {
  const next = copy();
  const typed = splitText(area.value);
  next.blocks[+area.dataset.block] = typed.length ? typed : [[""]];
  commit(next);
}

element.addEventListener("change", (event) => {
  if (event.target.tagName === "TEXTAREA") takeText(event.target);
  else if (event.target.tagName === "INPUT") takeInput(event.target);
});

element.addEventListener("focusin", (event) => {
  if (event.target.tagName !== "INPUT") return;
  event.target.select();
  const { block, row, column } = event.target.dataset;
  if (options.inspect && row !== undefined) trigger("select", { block: +block, row: +row, column: +column });
});

element.addEventListener("keydown", (event) => {
  const { target: input, key } = event;
  if (input.tagName !== "INPUT" || input.dataset.row === undefined) return;
  const whole = input.selectionStart === 0 && input.selectionEnd === input.value.length;
  const atStart = whole || input.selectionEnd === 0, atEnd = whole || input.selectionStart === input.value.length;
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [1, 0] }[key]
    ?? (key === "ArrowLeft" && atStart ? [0, -1] : key === "ArrowRight" && atEnd ? [0, 1] : null);
  if (!step) return;
  event.preventDefault();
  const { block, row, column } = input.dataset;
  const next = element.querySelector(
    `[data-block="${block}"][data-row="${+row + step[0]}"][data-column="${+column + step[1]}"]`);
  if (next) next.focus();
  else if (key === "Enter") input.blur();
});

element.addEventListener("paste", (event) => {
  const input = event.target;
  if (input.tagName !== "INPUT" || input.dataset.row === undefined) return;
  const pasted = splitText(event.clipboardData.getData("text"));
  if (pasted.length === 0 || (pasted.length === 1 && pasted[0].length === 1)) return;
  event.preventDefault();
  const next = copy();
  const [index, top, left] = [+input.dataset.block, +input.dataset.row, +input.dataset.column];
  next.marks = null;
  if (options.resizable) grow(next.blocks, top + pasted.length, left + Math.max(...pasted.map((l) => l.length)));
  pasted.forEach((line, i) => line.forEach((cell, j) => {
    if (next.blocks[index][top + i]?.[left + j] !== undefined) next.blocks[index][top + i][left + j] = cell.trim();
  }));
  commit(next);
  render();
});

function grow(blocks, height, width) {
  for (const block of blocks) {
    while (rows(block) < Math.min(height, options.limits.row)) block.push(block[0].map(() => "0"));
    for (const line of block) while (line.length < Math.min(width, options.limits.column)) line.push("0");
  }
}

watch("value", render);
render();
