/** Hand the user a file made here. */
export function download(name: string, extension: string, content: string | Blob, type?: string): void {
  const blob = typeof content === "string" ? new Blob([content], type === undefined ? {} : { type }) : content;
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = `${name.replace(/[^\w.-]+/g, "_") || "synq"}.${extension}`;
  link.click();
  URL.revokeObjectURL(url);
}
