/** Hand the user a file made here. */
export function download(name: string, extension: string, content: string, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${name.replace(/[^\w.-]+/g, "_") || "synq"}.${extension}`;
  link.click();
  URL.revokeObjectURL(url);
}
