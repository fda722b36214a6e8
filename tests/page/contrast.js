// Text of the page whose contrast with what lies behind it is below the limit (WCAG 2.1, 1.4.3).
const limit = arguments[0];
const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
function rgba(colour) {
  paint.clearRect(0, 0, 1, 1);
  paint.fillStyle = "rgba(0,0,0,0)";
  paint.fillStyle = colour;
  paint.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}
function over(front, back) {
  return [0, 1, 2].map((n) => front[n] * front[3] + back[n] * (1 - front[3])).concat(1);
}
function behind(element) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] > 0) layers.push(colour);
    if (colour[3] === 1) break;
  }
  return layers.reverse().reduce((back, front) => over(front, back), [255, 255, 255, 1]);
}
function luminance([r, g, b]) {
  const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function ratio(element, pseudo) {
  const back = behind(element);
  const front = over(rgba(getComputedStyle(element, pseudo).color), back);
  const [low, high] = [luminance(front), luminance(back)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
const found = [];
let looked = 0;
for (const element of document.body.querySelectorAll("*")) {
  const speaks = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const field = element.matches("input, textarea, select");
  if ((!speaks && !field) || !element.checkVisibility() || element.closest("svg")) continue;
  looked += 1;
  const worst = element.placeholder ? ratio(element, "::placeholder") : 21;
  const value = Math.min(ratio(element), worst);
  if (value < limit) found.push(`${element.tagName}.${element.className} ${value.toFixed(2)} ${element.textContent.trim().slice(0, 30)}`);
}
return {looked, found};
