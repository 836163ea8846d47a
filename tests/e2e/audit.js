// Returns what is wrong with the page as it is shown now, as a list of sentences.
(() => {
  const problems = [];
  const shown = (element) => element.checkVisibility();
  const all = (selector) => [...document.querySelectorAll(selector)];
  const brief = (element) => element.outerHTML.slice(0, 120);

  const root = document.documentElement;
  const excess = root.scrollWidth - root.clientWidth;
  if (excess > 0) problems.push(`the page is ${excess} px wider than the window`);

  const named = (element) => {
    const by = (element.getAttribute("aria-labelledby") || "").split(" ");
    return (
      element.getAttribute("aria-label") ||
      by.some((id) => document.getElementById(id)?.textContent.trim()) ||
      element.textContent.trim() ||
      element.title ||
      [...(element.labels || [])].some((label) => label.textContent.trim())
    );
  };
  const controls =
    "button, a[href], input:not([type=hidden]), select, textarea, [role=img], [role=separator], " +
    "dialog[open], [contenteditable=true]";
  for (const element of all(controls).filter(shown)) {
    if (!named(element)) problems.push(`has no name: ${brief(element)}`);
  }

  const ids = all("[id]").map((element) => element.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) problems.push(`two elements have the id ${id}`);
  const headings = all("h1").filter(shown).length;
  if (headings !== 1) problems.push(`there are ${headings} first headings`);
  if (!root.lang) problems.push("the page has no language");

  // Contrast of text with what is behind it: WCAG 2.2, 1.4.3, at least 4.5 to 1.
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) =>
    colour
      .slice(0, 3)
      .map((value) => value / 255)
      .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !shown(element) || element.closest("svg, :disabled, .stale, noscript, .visually-hidden")) continue;
    const pair = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) problems.push(`contrast ${ratio.toFixed(2)}: ${element.className || element.tagName} "${text.slice(0, 40)}"`);
  }
  return problems;
})();
