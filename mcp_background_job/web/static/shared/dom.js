// Elements. Text comes in as text alone: nothing that a job writes can become markup.

// Makes an element. "on…" listens, true and false set and leave out an attribute, null leaves it out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Sets what an attribute of h() says, on an element that is there.
export function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : value);
}

// Writes a text, and touches nothing where it is that already: what is selected stays so.
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

// Has a parent hold one element for each item, in their order. Elements stay with their keys: focus and selection too.
export function keyed(parent, items, key, make, update = () => {}) {
  const known = (parent.keyed ??= new Map());
  const left = new Map(known);
  let before = null;
  for (const item of items) {
    const name = key(item);
    const element = known.get(name) ?? make(item);
    known.set(name, element);
    left.delete(name);
    update(element, item);
    const after = before ? before.nextSibling : parent.firstChild;
    if (after !== element) parent.insertBefore(element, after);
    before = element;
  }
  for (const [name, element] of left) {
    known.delete(name);
    element.remove();
  }
}
