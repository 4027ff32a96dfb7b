import type { Status } from "../api/types";
import { ICON } from "./status";
import classes from "./status.module.css";

export function StatusWord({ status }: { status: Status }) {
  return (
    <span className={classes["status"]} data-status={status}>
      <span className={classes["icon"]} aria-hidden="true">
        {ICON[status]}
      </span>
      <span>{status}</span>
    </span>
  );
}
