// A click on a figure, or Enter, shows it as large as the window; Escape or another click closes it.
document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.createElement("dialog");
  dialog.className = "zoom";
  dialog.setAttribute("aria-label", "Figure");
  const large = document.createElement("img");
  dialog.append(large);
  document.body.append(dialog);
  dialog.addEventListener("click", () => dialog.close());
  large.addEventListener("click", (event) => {
    event.stopPropagation();
    if (!dialog.classList.toggle("full")) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.classList.remove("full"));
  for (const image of document.querySelectorAll("article img")) {
    if (image.closest("a")) continue;
    image.tabIndex = 0;
    image.setAttribute("role", "button");
    const open = () => {
      large.src = image.src;
      large.alt = image.alt;
      dialog.showModal();
    };
    image.addEventListener("click", open);
    image.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        open();
      }
    });
  }
});
