import { count } from "../text/number";
import { intervalWords } from "./guardrails";
import { type Point, type Stretch, stretchWords } from "./over-time";
import { Numbers } from "./plotted";

interface TimeTableProps {
  name: string;
  stretches: Stretch[];
  versions: { baseline: string; candidate: string };
  value: (x: number) => string;
}

/** The numbers behind a plot over time, stretch by stretch. */
export function TimeTable({ name, stretches, versions, value }: TimeTableProps) {
  return (
    <Numbers name={name}>
      <thead>
        <tr>
          <th scope="col">Begun (UTC)</th>
          <HeadCells version={`○ ${versions.baseline}`} />
          <HeadCells version={`● ${versions.candidate}`} />
        </tr>
      </thead>
      <tbody>
        {stretches.map((stretch) => (
          <tr key={stretch.start}>
            <th scope="row">{stretchWords(stretch).replace(" UTC", "")}</th>
            <Cells point={stretch.baseline} value={value} />
            <Cells point={stretch.candidate} value={value} />
          </tr>
        ))}
      </tbody>
    </Numbers>
  );
}

function HeadCells({ version }: { version: string }) {
  return (
    <>
      <th scope="col">{version}</th>
      <th scope="col">interval</th>
      <th scope="col">n</th>
    </>
  );
}

function Cells({ point, value }: { point: Point | null; value: TimeTableProps["value"] }) {
  return (
    <>
      <td>{point === null ? "–" : value(point.value)}</td>
      <td>{point === null || point.low === null ? "–" : intervalWords(point, value)}</td>
      <td>{count(point?.n ?? 0)}</td>
    </>
  );
}
