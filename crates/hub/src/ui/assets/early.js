// Runs before the first paint, so that a chosen theme does not flash the other one.
(function () {
  try {
    var choice = localStorage.getItem('grafolean.theme');
    if (choice === 'dark' || choice === 'light') document.documentElement.dataset.theme = choice;
  } catch { /* no storage: as the system says */ }
})();
