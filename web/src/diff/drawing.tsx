import { useLayoutEffect, useRef, useState } from "react";

const LEAST = 60;

interface DrawingProps {
  height: number;
  /** Makes the drawing for a width; another function draws anew. */
  draw: (width: number) => Element;
}

/** What is drawn in the width that there is. The numbers stand beside it, so screen readers skip it. */
export function Drawing({ height, draw }: DrawingProps) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);

  // Measured before the first paint; the observer, which is told only after it, sees later changes.
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    setWidth(Math.round(element.getBoundingClientRect().width));
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry?.contentRect.width ?? 0)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null || width < LEAST) return;
    element.replaceChildren(draw(width));
  }, [draw, width]);

  return <div ref={frame} aria-hidden="true" style={{ height, minWidth: 0 }} />;
}
