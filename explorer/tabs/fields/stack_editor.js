// A table of layers to type into, one row per layer. Runs once when the component appears; `element`, `props`,
// `trigger` and `watch` come from gradio. The value is {rows: [{kind, kernel, stride, padding, dilation, name}]},
// all texts, so that what was typed stays as it was typed.
const KINDS = { conv: "conv", max_pool: "max-pool", avg_pool: "avg-pool" };
const COLUMNS = ["kernel", "stride", "padding", "dilation"];
const LEAST = { kernel: 1, stride: 1, padding: 0, dilation: 1 };
const MOST_LAYERS = 200;
const NUMBER = /^\s*\d{1,6}(\s*[x×]\s*\d{1,6})?\s*$/i;

const rows = () => props.value.rows;
const copy = () => JSON.parse(JSON.stringify(rows()));
const make = (tag, attributes = {}, text = "") => {
  const node = document.createElement(tag);
  for (const [name, content] of Object.entries(attributes)) node.setAttribute(name, content);
  node.textContent = text;
  return node;
};

function commit(next) {
  props.value = { ...props.value, rows: next };
  trigger("edit");
}

function judge(input) {
  const least = LEAST[input.dataset.column];
  const good = NUMBER.test(input.value) && input.value.toLowerCase().split(/[x×]/).every((part) => +part >= least);
  if (good) input.removeAttribute("aria-invalid");
  else input.setAttribute("aria-invalid", "true");
}

function field(row, index, column) {
  const input = make("input", {
    type: "text", inputmode: "text", autocomplete: "off", spellcheck: "false", maxlength: "15",
    "aria-label": `Layer ${index + 1}, ${column}`,
  });
  Object.assign(input.dataset, { row: index, column });
  input.value = row[column];
  judge(input);
  return input;
}

function kindField(row, index) {
  const select = make("select", { "aria-label": `Layer ${index + 1}, kind` });
  Object.assign(select.dataset, { row: index, column: "kind" });
  for (const [kind, words] of Object.entries(KINDS)) select.append(new Option(words, kind, false, kind === row.kind));
  return select;
}

function button(text, label, key, action, disabled = false) {
  const node = make("button", { type: "button", "aria-label": label, title: label }, text);
  node.dataset.key = key;
  node.disabled = disabled;
  node.onclick = action;
  return node;
}

function insertAfter(index) {
  const next = copy();
  const like = next[index] ?? { kind: "conv", kernel: "3", stride: "1", padding: "0", dilation: "1" };
  next.splice(index + 1, 0, { ...like, name: "" });
  commit(next);
  render(`[data-row="${index + 1}"][data-column="kernel"]`);
}

function remove(index) {
  const next = copy();
  next.splice(index, 1);
  commit(next);
  render(`[data-key="remove-${Math.min(index, next.length - 1)}"]`);
}

function line(row, index) {
  const tr = make("tr");
  tr.append(make("th", { scope: "row", title: row.name ?? "" }, String(index + 1)));
  const cells = [kindField(row, index), ...COLUMNS.map((column) => field(row, index, column))];
  for (const content of cells) {
    const td = make("td");
    td.append(content);
    tr.append(td);
  }
  const full = rows().length >= MOST_LAYERS;
  const actions = make("td", { class: "actions" });
  actions.append(
    button("+", `One more layer like layer ${index + 1}, behind it`, `add-${index}`, () => insertAfter(index), full),
    button("−", `Remove layer ${index + 1}`, `remove-${index}`, () => remove(index), rows().length <= 1),
  );
  tr.append(actions);
  return tr;
}

function render(focus) {
  const active = element.contains(document.activeElement) ? document.activeElement.dataset : null;
  const back = typeof focus === "string" ? focus
    : active?.column ? `[data-row="${active.row}"][data-column="${active.column}"]` : null;
  const head = make("tr");
  for (const name of ["", "Layer", "Kernel", "Stride", "Padding", "Dilation", ""]) head.append(make("th", {}, name));
  const table = make("table");
  table.append(head, ...rows().map(line));
  element.querySelector(".stack-editor").replaceChildren(table);
  if (back) element.querySelector(back)?.focus();
}

element.addEventListener("change", ({ target }) => {
  if (!target.dataset.column) return;
  const next = copy();
  next[Number(target.dataset.row)][target.dataset.column] = target.value;
  if (target.tagName === "INPUT") judge(target);
  commit(next);
});

element.addEventListener("focusin", ({ target }) => target.tagName === "INPUT" && target.select());

element.addEventListener("keydown", (event) => {
  const { target: input, key } = event;
  if (input.tagName !== "INPUT") return;
  const step = { ArrowUp: -1, ArrowDown: 1, Enter: 1 }[key];
  if (!step) return;
  event.preventDefault();
  const next = element.querySelector(
    `[data-row="${Number(input.dataset.row) + step}"][data-column="${input.dataset.column}"]`);
  if (next) next.focus();
  else if (key === "Enter") input.blur();
});

watch("value", () => render());
render();
