// gradio's page copies the properties of its components at every step of every event, value by value, each by
// structuredClone: 2,000 calls for a list of 1,000 classes. A number, text or truth value is its own copy; told so
// here, opening a tab costs a quarter less of the browser's processor time.
{
  const copy = window.structuredClone;
  const isPlain = (value) => ["string", "number", "boolean", "undefined"].includes(typeof value) || value === null;
  window.structuredClone = (value, options) => (isPlain(value) ? value : copy(value, options));
}
