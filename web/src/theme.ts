// theme.ts -- light, dark, or as the system says.
// SPDX-License-Identifier: Apache-2.0
const KEY = "telltale.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export type Theme = "light" | "dark";

export const theme = (): Theme => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");

function apply() {
  const chosen = localStorage.getItem(KEY);
  document.documentElement.dataset.theme = chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

export function startTheme() {
  apply();
  system.addEventListener("change", apply);
}

export function toggleTheme() {
  const next = theme() === "dark" ? "light" : "dark";
  if ((next === "dark") === system.matches) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  apply();
}
