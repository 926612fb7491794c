// icon.tsx -- the icons, drawn on a grid of 16 with one stroke.
// SPDX-License-Identifier: Apache-2.0
const PATHS = {
  request: "M9 2.8h3.5v10.4H9M2.5 8h6.8M6.8 5.2 9.6 8l-2.8 2.8",
  prompt: "M3 3.5h10M3 8h10M3 12.5h6",
  pencil: "m3 13 .6-2.8L10.8 3a1.4 1.4 0 0 1 2 2L5.6 12.3 3 13Z",
  documents: "M5 2.5h5l3 3v6.8H5zM10 2.5v3h3M3 5v9.5h7.5",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.4 10.4 14 14",
  sort: "M4.5 3v10M4.5 13 2 10.5M4.5 13 7 10.5M9 4h5M9 8h4M9 12h2.5",
  spark: "M8 1.8 9.6 6.4 14.2 8l-4.6 1.6L8 14.2 6.4 9.6 1.8 8l4.6-1.6Z",
  vector: "M3 13V3M3 13h10M3 13l7-7M10.2 9.3V5.8H6.7",
  tool: "M9.6 6.4a3.2 3.2 0 0 0 3.9-4.1l-2 2-1.8-.4-.4-1.8 2-2A3.2 3.2 0 0 0 7.2 4L2.5 8.8a1.9 1.9 0 0 0 2.7 2.7Z",
  agent: "M4 6h8v6.5H4zM8 6V3.2M8 3.2a.6.6 0 1 0 0-1.2.6.6 0 0 0 0 1.2ZM6.3 8.7v.8M9.7 8.7v.8M2 8.2v2.2M14 8.2v2.2",
  flow: "M2.5 3.5h4v3h-4zM9.5 9.5h4v3h-4zM6.5 5h5v4.5",
  shield: "M8 1.8 13 4v3.7c0 3-2 5.3-5 6.5-3-1.2-5-3.5-5-6.5V4ZM6 8l1.5 1.5L10.2 6.7",
  gauge: "M2.5 11.5a5.5 5.5 0 1 1 11 0M8 11.5l2.5-4",
  globe: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM2 8h12M8 2c2 2 2.5 4 2.5 6S10 12 8 14M8 2C6 4 5.5 6 5.5 8S6 12 8 14",
  database: "M3 4c0-1 2.2-1.8 5-1.8S13 3 13 4s-2.2 1.8-5 1.8S3 5 3 4ZM3 4v8c0 1 2.2 1.8 5 1.8s5-.8 5-1.8V4M3 8c0 1 2.2 1.8 5 1.8S13 9 13 8",
  circle: "M8 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  moon: "M13.5 9.5A5.7 5.7 0 0 1 6.5 2.5a5.7 5.7 0 1 0 7 7Z",
  question: "M6 6a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.4M8 11.5v.3M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Z",
  copy: "M5.5 5.5h7v8h-7zM3.5 10.5v-8h7",
  check: "m3 8.5 3.2 3.2L13 5",
  close: "m4 4 8 8M12 4l-8 8",
  chevron: "m6 4 4 4-4 4",
  down: "m4 6 4 4 4-4",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L12.5 8Z",
  back: "M13 8H3.5M7 4.5 3.5 8 7 11.5",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6Z",
  warn: "M8 2 14.5 13.5h-13ZM8 6.5v3M8 11.5v.2",
  lock: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
  image: "M2.5 3h11v10h-11zM5.7 6.8a.8.8 0 1 0 0-1.6.8.8 0 0 0 0 1.6ZM3 12l3.5-3.5 2.5 2 2.5-3L13.5 10",
  link: "M7 9a2.5 2.5 0 0 0 3.5 0l2-2A2.5 2.5 0 0 0 9 3.5l-.8.8M9 7a2.5 2.5 0 0 0-3.5 0l-2 2A2.5 2.5 0 0 0 7 12.5l.8-.8",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, color }: { name: IconName; color?: string }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" style={color ? { color } : undefined}>
      <path d={PATHS[name]} />
    </svg>
  );
}
