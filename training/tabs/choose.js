// A click on anything that carries numbers (data-index, or data-row and data-column) says them to the server.
// `element` and `trigger` come from gradio.
element.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-index], [data-row]");
  if (!chosen) return;
  const said = Object.entries(chosen.dataset).map(([name, value]) => [name, Number(value)]);
  trigger("select", Object.fromEntries(said));
});
