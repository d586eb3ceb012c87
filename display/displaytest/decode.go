package displaytest

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// DecodeQR reads the QR code in a picture, as a phone that takes only dark on
// light does.
func DecodeQR(picture image.Image) (string, error) {
	b, grey := picture.Bounds(), Grey(picture)
	source, err := gozxing.NewPlanarYUVLuminanceSource(grey.Pix, b.Dx(), b.Dy(), 0, 0, b.Dx(), b.Dy(), false)
	if err != nil {
		return "", fmt.Errorf("preparing the picture for the decoder: %w", err)
	}
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true}
	var failure error
	for _, binarizer := range []gozxing.Binarizer{
		gozxing.NewHybridBinarizer(source), gozxing.NewGlobalHistgramBinarizer(source),
	} {
		bitmap, err := gozxing.NewBinaryBitmap(binarizer)
		if err != nil {
			return "", fmt.Errorf("preparing the picture for the decoder: %w", err)
		}
		result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
		if err == nil {
			return result.GetText(), nil
		}
		failure = err
	}
	return "", fmt.Errorf("no QR code can be read: %w", failure)
}

// Grey is picture without its colours.
//
//go:norace
func Grey(picture image.Image) *image.Gray {
	b := picture.Bounds()
	if grey, ok := picture.(*image.Gray); ok && grey.Stride == b.Dx() {
		return grey
	}
	grey := image.NewGray(b)
	screen, ok := picture.(*image.NRGBA)
	if !ok {
		draw.Draw(grey, b, picture, b.Min, draw.Src)
		return grey
	}
	var last color.NRGBA // pixels are mostly what the one before is
	var value byte       // of it
	for y := range b.Dy() {
		row := grey.Pix[y*grey.Stride:][:b.Dx()]
		for x := range row {
			four := screen.Pix[y*screen.Stride+4*x:][:4]
			if c := (color.NRGBA{four[0], four[1], four[2], four[3]}); c != last {
				last, value = c, color.GrayModel.Convert(c).(color.Gray).Y
			}
			row[x] = value
		}
	}
	return grey
}

// decodable is the number of pixels per module that a good camera gives.
const decodable = 4

// DecodeTerminal reads the QR code that output leaves on a terminal of that
// size, with a dark theme and with a light one.
func DecodeTerminal(output []byte, columns, rows int) (string, error) {
	picture, err := Replay(output, columns, rows)
	if err != nil {
		return "", err
	}
	dark, err := DecodeQR(picture.Image(Dark(), decodable))
	if err != nil {
		return "", fmt.Errorf("in a dark theme: %w", err)
	}
	light, err := DecodeQR(picture.Image(Light(), decodable))
	if err != nil {
		return "", fmt.Errorf("in a light theme: %w", err)
	}
	if dark != light {
		return "", fmt.Errorf("a dark theme gives %q, a light one %q", dark, light)
	}
	return dark, nil
}

// NeedTool skips the test, and says so, when a program is not installed. With
// CI=true in the environment the test fails instead: there, everything is
// tested.
func NeedTool(t testing.TB, program, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing; install the package %s", program, debianPackage)
	}
	t.Skipf("NOT TESTED: %s is missing; install the package %s", program, debianPackage)
}

// Zbarimg reads the QR codes in the picture file path with zbarimg, a decoder
// in C that has nothing in common with any of ours.
func Zbarimg(t testing.TB, path string) string {
	t.Helper()
	NeedTool(t, "zbarimg", "zbar-tools")
	cmd := exec.CommandContext(t.Context(), "zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", path)
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1") // ImageMagick, which opens the picture, would have all processors spin for it
	var complaints strings.Builder                      // it also complains when all is well, of a missing D-Bus
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("zbarimg reads no QR code from %s: %v\n%s", path, err, complaints.String())
	}
	return strings.TrimSuffix(string(out), "\n")
}

// PNG writes pictures that are read once: nobody keeps them, and to make them
// small takes longer than to read them.
func PNG() *png.Encoder { return &png.Encoder{CompressionLevel: png.NoCompression} }

// ZbarimgOf reads the QR codes in a picture with Zbarimg.
func ZbarimgOf(t testing.TB, picture image.Image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := PNG().Encode(f, picture); err != nil {
		t.Fatal(err)
	}
	return Zbarimg(t, path)
}
