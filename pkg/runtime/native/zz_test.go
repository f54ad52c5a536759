package native
import ("testing";"os";"time")
func TestZZ(t *testing.T){
 for _,uid:=range []uint32{ordinaryID,0} {
 p:=newPlace(t,uid); g:=newCgroup(t)
 plan,err:=NewPlan(p.spec("bash","-c","touch ready; echo hi; sleep 0.01"))
 if err!=nil {t.Fatal(err)}
 slow:=time.Duration(0)
 for i:=0;i<400;i++{
  out:=capture(t); errs:=capture(t); t0:=time.Now()
  pr,err:=plan.Start(g.File(),Stdio{nil,out.writer,errs.writer}); out.writer.Close(); errs.writer.Close()
  if err!=nil {t.Fatal(i,err)}
  if i%3==0 { pr.Signal(os.Interrupt) }
  st,err:=pr.Wait(); o,e:=out.text(t),errs.text(t)
  if (st!=0&&i%3!=0)||err!=nil { t.Error(i,st,err,o,e) }
  if d:=time.Since(t0);d>slow {slow=d}
 }
 t.Log("slowest",slow)
 }
}
