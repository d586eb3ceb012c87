// Loads the page again when the device has news, but not what somebody typed.
(function () {
  "use strict";
  var state = document.body.getAttribute("data-state");
  var address = location.pathname.replace(/\/+$/, "");
  var field = document.getElementById("address");
  // So that neither a reload nor the way back sends anything once more.
  history.replaceState(null, "", address);
  if (!window.fetch) { return; }
  function look() {
    fetch(address + "/state", { cache: "no-store" }).then(function (answer) {
      if (answer.status === 404 || answer.status === 410) { return "out of date"; }
      return answer.ok ? answer.text() : state;
    }).then(function (now) {
      if (now !== state && !(field && field.value !== field.defaultValue)) { location.replace(address); }
    }).catch(function () {}).then(again);
  }
  function again() { setTimeout(look, 2000); }
  again();
})();
