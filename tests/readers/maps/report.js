// What a page is to show, and the ways to say how that went: one POST to /shown or to /failed.

const query = new URLSearchParams(location.search);
const wanted = {
  file: query.get("file"),
  lon: Number(query.get("lon")),
  lat: Number(query.get("lat")),
  zoom: Number(query.get("zoom")),
};

const post = (path, body) => fetch(path, { method: "POST", body });
const fail = (error) => post("/failed", String(error));
const show = (canvas) => canvas.toBlob((picture) => post("/shown", picture));

window.addEventListener("error", (event) => fail(event.message));
window.addEventListener("unhandledrejection", (event) => fail(event.reason?.stack ?? event.reason));
