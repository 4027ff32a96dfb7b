import { useEffect, useState } from "react";
import classes from "./loading.module.css";

const CALM_MS = 300;

/** Says what is being waited for, once it takes long enough to be noticed. */
export function Loading({ what }: { what: string }) {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), CALM_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className={classes["loading"]} role="status">
      {isLong && (
        <>
          <div className={classes["track"]} aria-hidden="true">
            <div className={classes["bar"]} />
          </div>
          <p>{what} …</p>
        </>
      )}
    </div>
  );
}
