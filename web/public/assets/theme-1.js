// Sets the colour scheme before anything is painted. A file of its own, because the server's CSP refuses inline scripts.
// Browsers keep what lies in assets/ for a year: a changed file needs a new number in its name.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("mantine-color-scheme-value");
  } catch {
    // Storage may be blocked; then the system decides.
  }
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
})();
