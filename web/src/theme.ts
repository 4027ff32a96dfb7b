/** Mantine in our measures: system fonts, a 4 px grid, one accent colour. Colours of our own are in page.css. */

import { createTheme, type MantineColorsTuple } from "@mantine/core";

const accent: MantineColorsTuple = [
  "#eaf3fb",
  "#d3e4f5",
  "#a6c8ea",
  "#76aadf",
  "#4f90d6",
  "#2f7ac6",
  "#1566b3",
  "#0b5599",
  "#08457d",
  "#063662",
];

/** Mantine's greys of the dark scheme, in the hue of page.css: text, borders, fields, paper. */
const dark: MantineColorsTuple = [
  "#e5e7e9",
  "#c3c9cf",
  "#9ba3ac",
  "#6d7680",
  "#4a525b",
  "#2a2f35",
  "#1b1f23",
  "#131619",
  "#0f1114",
  "#0b0d0f",
];

const SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif';
const MONO = 'ui-monospace, "SF Mono", "Cascadia Mono", "Roboto Mono", "DejaVu Sans Mono", monospace';

export const theme = createTheme({
  primaryColor: "accent",
  primaryShade: { light: 7, dark: 6 },
  colors: { accent, dark },
  fontFamily: SANS,
  fontFamilyMonospace: MONO,
  headings: { fontFamily: SANS, fontWeight: "600" },
  defaultRadius: 3,
  spacing: { xs: "4px", sm: "8px", md: "12px", lg: "16px", xl: "24px" },
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  lineHeights: { xs: "16px", sm: "20px", md: "20px", lg: "24px", xl: "28px" },
  focusRing: "auto",
  respectReducedMotion: true,
});
