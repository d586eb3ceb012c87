package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"

	"lwa-agent/display/panel"
	"lwa-agent/lwa"
)

func (r *reader) linkPage() LinkPage {
	p := LinkPage{Listen: r.text("link_page.listen"), CertFile: r.text("link_page.cert_file"), KeyFile: r.text("link_page.key_file")}
	if p.Listen != "" {
		host, port, err := net.SplitHostPort(p.Listen)
		number, notNumber := strconv.ParseUint(port, 10, 16)
		address, notAddress := netip.ParseAddr(host)
		switch {
		case err != nil || notNumber != nil || number == 0:
			r.fault("link_page.listen", fmt.Sprintf("link_page.listen %q is no address to listen on", p.Listen), `write a colon and a port, as in listen = ":9744"`)
		case host != "" && (notAddress != nil || address.Zone() != ""):
			r.fault("link_page.listen", fmt.Sprintf("link_page.listen %q names a host", p.Listen), `write the port alone, as in listen = ":9744", or an IP address of this device before it`)
		}
		if u, err := url.Parse(r.text("redirect_uri")); err == nil && lwa.IsLoopback(u.Hostname()) && u.Port() == port && (host == "" || address.IsLoopback()) {
			r.fault("link_page.listen", "link_page.listen and redirect_uri have the same port", `take another for the page, as in listen = ":9744"`)
		}
	}
	for key, file := range map[string]string{"cert_file": p.CertFile, "key_file": p.KeyFile} {
		switch {
		case file == "" && p.CertFile+p.KeyFile != "":
			r.missing("link_page."+key, "link_page."+key+" is missing, which the other file needs", "write both, or none for plain http")
		case file != "" && !filepath.IsAbs(file):
			r.fault("link_page."+key, fmt.Sprintf("link_page.%s %q is not absolute", key, file), "write the whole path, from the first /")
		}
	}
	return p
}

// maxPixels is more than any display has along a side.
const maxPixels = 16384

func (r *reader) displays() []panel.Config {
	var all []panel.Config
	for i := range r.count["display"] {
		at := fmt.Sprintf("display[%d].", i)
		d := panel.Config{
			Driver: r.text(at + "driver"), Device: r.text(at + "device"),
			Width: r.whole(at+"width", 1, maxPixels), Height: r.whole(at+"height", 1, maxPixels),
			Rotate:  r.whole(at+"rotate", 0, 270),
			Address: r.whole(at+"address", 0x08, 0x77), // the others are reserved (I2C-bus specification, 3.1.12)
			DCPin:   r.text(at + "dc_pin"), ResetPin: r.text(at + "reset_pin"), BusyPin: r.text(at + "busy_pin"),
			WidthMM: r.number(at + "width_mm"),
		}
		if d.Driver == "" {
			r.missing(at+"driver", "a [[display]] has no driver", `write one, as in driver = "terminal"`)
		}
		if d.Rotate%90 != 0 {
			r.fault(at+"rotate", fmt.Sprintf("%srotate is %d", at, d.Rotate), "write 0, 90, 180 or 270: degrees clockwise")
		}
		if d.WidthMM < 0 || d.WidthMM > 10000 {
			r.fault(at+"width_mm", fmt.Sprintf("%swidth_mm is %v", at, d.WidthMM), "write the width of the picture in mm, as it is mounted")
		}
		all = append(all, d)
	}
	return all
}
