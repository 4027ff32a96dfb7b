import { VisuallyHidden } from "@mantine/core";
import classes from "./choice.module.css";

interface ChoiceProps<Value extends string> {
  of: readonly (readonly [Value, string])[];
  /** Of the radio group: one of a kind on the page. */
  name: string;
  legend: string;
  value: Value;
  choose: (value: Value) => void;
}

/** One of a few, all of them in sight: radio buttons that look like words. */
export function Choice<Value extends string>({ of, name, legend, value, choose }: ChoiceProps<Value>) {
  return (
    <fieldset className={classes["choice"]}>
      <VisuallyHidden component="legend">{legend}</VisuallyHidden>
      {of.map(([own, words]) => (
        <label key={own}>
          <input type="radio" name={name} value={own} checked={value === own} onChange={() => choose(own)} />
          <span>{words}</span>
        </label>
      ))}
    </fieldset>
  );
}
