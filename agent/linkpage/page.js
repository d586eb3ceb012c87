// Loads the page again when the device has news, but not while somebody types.
(function () {
  "use strict";
  var state = document.body.getAttribute("data-state");
  var address = location.pathname.replace(/\/+$/, "");
  var field = document.getElementById("address");
  if (!address || !window.fetch) { return; }
  function look() {
    fetch(address + "/state", { cache: "no-store" }).then(function (answer) {
      return answer.ok ? answer.text() : state;
    }).then(function (now) {
      if (now !== state && !(field && field.value && document.activeElement === field)) { location.replace(address); }
    }).catch(function () {});
  }
  setInterval(look, 2000);
})();
